// Rows of new keys and values to their places, converted to the cache's type.
#include "ops/attention.h"
#include "ops/cpu/kernels.h"

namespace poro {

void run(Cpu& cpu, const CacheWrite& op) {
  const int64_t num_kv_heads = op.k.dim(1), head_dim = op.k.dim(2), page_size = op.keys.dim(2);
  const size_t row_bytes = static_cast<size_t>(head_dim * dtype_bits(op.keys.dtype)) / 8;
  parallel_for(cpu.pool, op.k.dim(0), 32, [&](Range tokens) {
    for (int64_t t = tokens.begin; t < tokens.end; ++t) {
      const int64_t slot = op.slots.as<int32_t>()[t];
      for (int64_t kv = 0; kv < num_kv_heads; ++kv) {
        const int64_t from = (t * num_kv_heads + kv) * head_dim;
        const size_t to =
            static_cast<size_t>((slot / page_size * num_kv_heads + kv) * page_size + slot % page_size) *
            row_bytes;
        kernels(cpu.isa).convert({.from = op.k.as<float>() + from,
                                  .from_dtype = DType::kF32,
                                  .to = op.keys.data + to,
                                  .to_dtype = op.keys.dtype,
                                  .count = head_dim});
        kernels(cpu.isa).convert({.from = op.v.as<float>() + from,
                                  .from_dtype = DType::kF32,
                                  .to = op.values.data + to,
                                  .to_dtype = op.values.dtype,
                                  .count = head_dim});
      }
    }
  });
}

}  // namespace poro
