// Chooses the product for the kind of weights and the number of tokens.
#include "ops/linear.h"

#include "ops/cpu/kernels.h"
#include "ops/cpu/linear_kernels.h"

namespace poro {
namespace {

// Outputs that one thread computes together at least; a multiple of every tile's rows.
constexpr int64_t kGrain = 12;

void linear_dot(Cpu& cpu, const Linear& op) {
  float* scratch = reinterpret_cast<float*>(cpu.scratch(static_cast<size_t>(cpu.pool.size()) * kDotScratchFloats * sizeof(float)));
  cpu.pool.run([&](int thread) {
    const Range outputs = share(op.w.outputs(), thread, cpu.pool.size(), kGrain);
    kernels(cpu.isa).dot({.x = op.x.as<float>(), .w = op.w.values.data, .w_dtype = op.w.values.dtype, .y = op.y.as<float>(),
                          .residual = op.residual ? op.residual.as<float>() : nullptr, .tokens = op.x.dim(0),
                          .inputs = op.w.inputs(), .outputs = op.w.outputs(), .first = outputs.begin, .last = outputs.end,
                          .scratch = scratch + thread * kDotScratchFloats});
  });
}

}  // namespace

void run(Cpu& cpu, const Linear& op) {
  if (op.w.is_quantised()) return linear_quantized(cpu, op);
  linear_dot(cpu, op);
}

}  // namespace poro
