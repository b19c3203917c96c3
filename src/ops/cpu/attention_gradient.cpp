// Gradient of packed attention: one thread per key/value head, so that dk and dv are summed in one order.
#include <cmath>

#include "ops/attention.h"

namespace poro {
namespace {

float dot(const float* a, const float* b, int64_t count) {
  float sums[8] = {};
  int64_t i = 0;
  for (; i + 8 <= count; i += 8)
    for (int64_t lane = 0; lane < 8; ++lane) sums[lane] += a[i + lane] * b[i + lane];
  float sum = 0;
  for (; i < count; ++i) sum += a[i] * b[i];
  for (const float lane : sums) sum += lane;
  return sum;
}

// Gradients that flow through one query head of one token.
void backward_row(const PackedAttentionBackward& op, int64_t t, int64_t h, int64_t kv) {
  const int64_t head_dim = op.q.dim(2), num_kv_heads = op.k.dim(1), row = t * op.q.dim(1) + h;
  const float scale = 1.0f / std::sqrt(static_cast<float>(head_dim)), lse = op.lse.as<float>()[row];
  const float *q = op.q.as<float>() + row * head_dim, *dy = op.dy.as<float>() + row * head_dim;
  float* dq = op.dq.as<float>() + row * head_dim;
  const float delta = dot(dy, op.y.as<float>() + row * head_dim, head_dim);
  for (int64_t s = op.starts.as<int32_t>()[t]; s <= t; ++s) {
    const int64_t at = (s * num_kv_heads + kv) * head_dim;
    const float *k = op.k.as<float>() + at, *v = op.v.as<float>() + at;
    const float p = std::exp(dot(q, k, head_dim) * scale - lse), ds = p * (dot(dy, v, head_dim) - delta) * scale;
    float *dk = op.dk.as<float>() + at, *dv = op.dv.as<float>() + at;
    for (int64_t d = 0; d < head_dim; ++d) {
      dq[d] += ds * k[d];
      dk[d] += ds * q[d];
      dv[d] += p * dy[d];
    }
  }
}

void fill_zeros(const Tensor& tensor) { std::fill_n(tensor.as<float>(), tensor.elements(), 0.0f); }

}  // namespace

void run(Cpu& cpu, const PackedAttentionBackward& op) {
  const int64_t num_kv_heads = op.k.dim(1), group = op.q.dim(1) / num_kv_heads;
  for (const Tensor* tensor : {&op.dq, &op.dk, &op.dv}) fill_zeros(*tensor);
  parallel_for(cpu.pool, num_kv_heads, 1, [&](Range heads) {
    for (int64_t kv = heads.begin; kv < heads.end; ++kv)
      for (int64_t t = 0; t < op.q.dim(0); ++t)
        for (int64_t h = kv * group; h < (kv + 1) * group; ++h) backward_row(op, t, h, kv);
  });
}

}  // namespace poro
