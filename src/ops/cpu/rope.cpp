#include "ops/rope.h"

#include "ops/cpu/kernels.h"

namespace poro {

void run(Cpu& cpu, const Rope& op) {
  const int64_t heads = op.x.dim(1), head_dim = op.x.dim(2);
  parallel_for(cpu.pool, op.x.dim(0), 8, [&](Range tokens) {
    kernels(cpu.isa).rope({.x = op.x.as<float>() + tokens.begin * heads * head_dim,
                           .positions = op.positions.as<int32_t>() + tokens.begin,
                           .frequencies = op.frequencies.as<double>(),
                           .tokens = tokens.size(),
                           .heads = heads,
                           .head_dim = head_dim,
                           .sine_sign = op.rotation == Rotation::kForward ? 1.0f : -1.0f});
  });
}

}  // namespace poro
