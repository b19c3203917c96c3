// Gradient of packed attention: one thread per key/value head, so that dk and dv are summed in one order.
#include <algorithm>
#include <atomic>

#include "ops/attention.h"
#include "ops/cpu/attention_tiled.h"
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
  const int64_t group = heads / num_kv_heads;
  const TiledAttention* const tiled = tiled_attention(cpu, op.q, op.operands);
  AttentionGradientArgs all = {.q = op.q.as<float>(),
                               .dy = op.dy.as<float>(),
                               .k = op.k.as<float>(),
                               .v = op.v.as<float>(),
                               .dq = op.dq.as<float>(),
                               .dk = op.dk.as<float>(),
                               .dv = op.dv.as<float>(),
                               .lse = op.lse.as<float>(),
                               .delta = nullptr,
                               .starts = op.starts.as<int32_t>(),
                               .tokens = tokens,
                               .group = group,
                               .head_dim = head_dim,
                               .token_stride = heads * head_dim,
                               .key_stride = num_kv_heads * head_dim,
                               .lse_stride = heads,
                               .scratch = nullptr};
  const int64_t bytes = tiled != nullptr ? tiled->gradient_bytes(all)
                                         : attention_gradient_floats(head_dim) * int64_t{sizeof(float)};
  std::byte* const scratch = cpu.scratch(static_cast<size_t>(cpu.pool.size() * bytes) +
                                         static_cast<size_t>(tokens * heads) * sizeof(float));
  float* const delta = reinterpret_cast<float*>(scratch + cpu.pool.size() * bytes);
  all.delta = delta;
  if (tiled == nullptr)
    for (const Tensor* tensor : {&op.dq, &op.dk, &op.dv}) fill_zeros(*tensor);
  parallel_for(cpu.pool, tokens * heads, 64, [&](Range rows) { sum_deltas(op, rows, delta); });
  std::atomic<int64_t> next = 0;
  cpu.pool.run([&](int thread) {
    for (int64_t kv; (kv = next.fetch_add(1, std::memory_order_relaxed)) < num_kv_heads;) {
      const int64_t query = kv * group * head_dim, key = kv * head_dim;
      AttentionGradientArgs args = all;
      for (const float** x : {&args.q, &args.dy}) *x += query;
      for (const float** x : {&args.k, &args.v}) *x += key;
      for (const float** x : {&args.lse, &args.delta}) *x += kv * group;
      args.dq += query;
      args.dk += key;
      args.dv += key;
      args.scratch = reinterpret_cast<float*>(scratch + thread * bytes);
      if (tiled != nullptr)
        tiled->attend_gradient(args);
      else
        gradient_kernels(cpu.isa).attend(args);
    }
  });
}

}  // namespace poro
