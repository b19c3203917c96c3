// Gradient of packed attention: one thread per key/value head, so that dk and dv are summed in one order.
#include <algorithm>

#include "ops/attention.h"
#include "ops/cpu/gradient_kernels.h"

namespace poro {
namespace {

void fill_zeros(const Tensor& tensor) {
  std::fill_n(tensor.as<float>(), tensor.elements(), 0.0f);
}

// delta[t, h] = dy . y: what the softmax takes off every score's gradient.
void sum_deltas(const PackedAttentionBackward& op, Range rows, float* delta) {
  const int64_t head_dim = op.q.dim(2);
  for (int64_t row = rows.begin; row < rows.end; ++row) {
    const float *dy = op.dy.as<float>() + row * head_dim, *y = op.y.as<float>() + row * head_dim;
    float sums[8] = {};
    int64_t d = 0;
    for (; d + 8 <= head_dim; d += 8)
      for (int64_t lane = 0; lane < 8; ++lane) sums[lane] += dy[d + lane] * y[d + lane];
    float sum = 0;
    for (; d < head_dim; ++d) sum += dy[d] * y[d];
    for (const float lane : sums) sum += lane;
    delta[row] = sum;
  }
}

}  // namespace

void run(Cpu& cpu, const PackedAttentionBackward& op) {
  const int64_t tokens = op.q.dim(0), heads = op.q.dim(1), head_dim = op.q.dim(2), num_kv_heads = op.k.dim(1);
  const int64_t group = heads / num_kv_heads, per_thread = attention_gradient_floats(head_dim);
  for (const Tensor* tensor : {&op.dq, &op.dk, &op.dv}) fill_zeros(*tensor);
  float* scratch = reinterpret_cast<float*>(
      cpu.scratch(static_cast<size_t>(tokens * heads + cpu.pool.size() * per_thread) * sizeof(float)));
  float* delta = scratch + cpu.pool.size() * per_thread;
  parallel_for(cpu.pool, tokens * heads, 64, [&](Range rows) { sum_deltas(op, rows, delta); });
  cpu.pool.run([&](int thread) {
    const Range range = share(num_kv_heads, thread, cpu.pool.size());
    for (int64_t kv = range.begin; kv < range.end; ++kv) {
      const int64_t query = kv * group * head_dim, key = kv * head_dim;
      gradient_kernels(cpu.isa).attend({.q = op.q.as<float>() + query,
                                        .dy = op.dy.as<float>() + query,
                                        .k = op.k.as<float>() + key,
                                        .v = op.v.as<float>() + key,
                                        .dq = op.dq.as<float>() + query,
                                        .dk = op.dk.as<float>() + key,
                                        .dv = op.dv.as<float>() + key,
                                        .lse = op.lse.as<float>() + kv * group,
                                        .delta = delta + kv * group,
                                        .starts = op.starts.as<int32_t>(),
                                        .tokens = tokens,
                                        .group = group,
                                        .head_dim = head_dim,
                                        .token_stride = heads * head_dim,
                                        .key_stride = num_kv_heads * head_dim,
                                        .lse_stride = heads,
                                        .scratch = scratch + thread * per_thread});
    }
  });
}

}  // namespace poro
