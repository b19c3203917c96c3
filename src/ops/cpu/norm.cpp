#include "ops/norm.h"

#include "ops/cpu/kernels.h"

namespace poro {

void run(Cpu& cpu, const RmsNorm& op) {
  const int64_t width = op.x.dim(1);
  parallel_for(cpu.pool, op.x.dim(0), 8, [&](Range tokens) {
    kernels(cpu.isa).norm({.x = op.x.as<float>() + tokens.begin * width,
                           .w = op.w.data,
                           .w_dtype = op.w.dtype,
                           .y = op.y.as<float>() + tokens.begin * width,
                           .rstd = op.rstd ? op.rstd.as<float>() + tokens.begin : nullptr,
                           .tokens = tokens.size(),
                           .width = width,
                           .eps = op.eps});
  });
}

}  // namespace poro
