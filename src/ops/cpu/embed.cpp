#include "ops/embed.h"

#include <algorithm>

#include "ops/cpu/kernels.h"

namespace poro {

void run(Cpu& cpu, const Embed& op) {
  const int64_t width = op.table.dim(1);
  const int32_t* ids = op.ids.as<int32_t>();
  parallel_for(cpu.pool, op.ids.dim(0), 16, [&](Range tokens) {
    for (int64_t t = tokens.begin; t < tokens.end; ++t) {
      const int64_t row = ids[t] - op.first_id;
      float* y = op.y.as<float>() + t * width;
      if (row < 0 || row >= op.table.dim(0))
        std::fill_n(y, width, 0.0f);
      else
        kernels(cpu.isa).convert({.from = op.table.rows(row, 1).data,
                                  .from_dtype = op.table.dtype,
                                  .to = y,
                                  .to_dtype = DType::kF32,
                                  .count = width});
    }
  });
}

}  // namespace poro
