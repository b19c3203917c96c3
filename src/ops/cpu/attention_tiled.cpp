#include "ops/cpu/attention_tiled.h"

#include <atomic>

namespace poro {

extern const TiledAttention kDotAttention, kTileAttention;

const TiledAttention* tiled_attention([[maybe_unused]] const Cpu& cpu, [[maybe_unused]] const Tensor& q,
                                      [[maybe_unused]] DType operands) {
#if defined(__x86_64__)
  if (operands != DType::kBF16 || q.dim(2) % kAttentionUnit != 0) return nullptr;
  if (cpu.isa >= Isa::kAmx) return &kTileAttention;
  if (has_fast_bf16_dot(cpu.isa)) return &kDotAttention;
#endif
  return nullptr;
}

void attend_tiled(Cpu& cpu, const PackedAttention& op, const TiledAttention& kernel) {
  const int64_t tokens = op.q.dim(0), heads = op.q.dim(1), head_dim = op.q.dim(2), kv_heads = op.k.dim(1);
  const int64_t group = heads / kv_heads, key_units = attention_units(tokens),
                query_units = attention_units(tokens * group);
  const int64_t head_bytes = key_units * attention_unit_bytes(head_dim),
                scratch_bytes = tiled_attention_bytes(head_dim);
  std::byte* const packed =
      cpu.scratch(static_cast<size_t>(2 * kv_heads * head_bytes + cpu.pool.size() * scratch_bytes));
  const auto args = [&](int64_t kv) {
    return TiledAttentionArgs{.q = op.q.as<float>() + kv * group * head_dim,
                              .k = op.k.as<float>() + kv * head_dim,
                              .v = op.v.as<float>() + kv * head_dim,
                              .starts = op.starts.as<int32_t>(),
                              .y = op.y.as<float>() + kv * group * head_dim,
                              .lse = op.lse ? op.lse.as<float>() + kv * group : nullptr,
                              .tokens = tokens,
                              .group = group,
                              .head_dim = head_dim,
                              .token_stride = heads * head_dim,
                              .key_stride = kv_heads * head_dim,
                              .lse_stride = heads,
                              .keys = packed + 2 * kv * head_bytes,
                              .values = packed + (2 * kv + 1) * head_bytes};
  };
  parallel_for(cpu.pool, kv_heads * key_units, 1, [&](Range range) {
    for (int64_t i = range.begin; i < range.end; ++i)
      kernel.pack(args(i / key_units), i % key_units, i % key_units + 1);
  });
  // Head by head, so that its keys stay in the caches, and of each the units with the most keys first, so
  // that no thread ends with a long one.
  std::atomic<int64_t> next = 0;
  cpu.pool.run([&](int thread) {
    std::byte* const scratch = packed + 2 * kv_heads * head_bytes + thread * scratch_bytes;
    for (int64_t i; (i = next.fetch_add(1, std::memory_order_relaxed)) < kv_heads * query_units;)
      kernel.attend(args(i / query_units), query_units - 1 - i % query_units, scratch);
  });
}

}  // namespace poro
