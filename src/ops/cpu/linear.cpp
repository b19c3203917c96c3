// Chooses the product for the kind of weights and the number of tokens, and shares its outputs out over the
// threads. A few tokens are bound by reading the weights, so they keep their activations in f32; many tokens
// with bf16 weights go through the fastest unit for bf16, which rounds the activations to bf16 too. No
// product splits a sum over threads.
#include "ops/linear.h"

#include "ops/cpu/dot_bf16.h"
#include "ops/cpu/kernels.h"
#include "ops/cpu/linear_kernels.h"

namespace poro {
namespace {

// Outputs that one thread computes together at least; a multiple of every tile's rows.
constexpr int64_t kGrain = 12;

const float* residual_of(const Linear& op) {
  return op.residual ? op.residual.as<float>() : nullptr;
}

void linear_dot(Cpu& cpu, const Linear& op) {
  float* scratch = reinterpret_cast<float*>(
      cpu.scratch(static_cast<size_t>(cpu.pool.size()) * kDotScratchFloats * sizeof(float)));
  cpu.pool.run([&](int thread) {
    const Range outputs = share(op.w.outputs(), thread, cpu.pool.size(), kGrain);
    kernels(cpu.isa).dot({.x = op.x.as<float>(),
                          .w = op.w.values.data,
                          .w_dtype = op.w.values.dtype,
                          .y = op.y.as<float>(),
                          .residual = residual_of(op),
                          .tokens = op.x.dim(0),
                          .inputs = op.w.inputs(),
                          .outputs = op.w.outputs(),
                          .first = outputs.begin,
                          .last = outputs.end,
                          .scratch = scratch + thread * kDotScratchFloats});
  });
}

#if defined(__x86_64__)
void linear_bf16_dot(Cpu& cpu, const Linear& op) {
  const int64_t tokens = op.x.dim(0), inputs = op.w.inputs();
  BFloat16* x = reinterpret_cast<BFloat16*>(
      cpu.scratch(static_cast<size_t>(tokens * bf16::padded_inputs(inputs)) * sizeof(BFloat16)));
  parallel_for(cpu.pool, tokens, 8, [&](Range share) {
    bf16::round_rows(
        {.x = op.x.as<float>(), .rounded = x, .inputs = inputs, .first = share.begin, .last = share.end});
  });
  cpu.pool.run([&](int thread) {
    const Range outputs = share(op.w.outputs(), thread, cpu.pool.size(), kGrain);
    bf16::dot({.x = x,
               .w = op.w.values.as<BFloat16>(),
               .y = op.y.as<float>(),
               .residual = residual_of(op),
               .tokens = tokens,
               .inputs = inputs,
               .outputs = op.w.outputs(),
               .first = outputs.begin,
               .last = outputs.end});
  });
}
#endif

}  // namespace

void run(Cpu& cpu, const Linear& op) {
  if (op.w.is_quantised()) return linear_quantized(cpu, op);
  if (op.x.dim(0) > kFewTokens) {
    if (has_tiles(cpu, op.w.dtype()))
      return product_in_tiles(cpu, amx::Kind::kForward,
                              {.x = op.x, .w = op.w.values, .y = op.y, .residual = op.residual});
#if defined(__x86_64__)
    if (op.w.dtype() == DType::kBF16 && has_fast_bf16_dot(cpu.isa)) return linear_bf16_dot(cpu, op);
#endif
  }
  linear_dot(cpu, op);
}

void run(Cpu& cpu, const Linears& op) {
  for (size_t i = 0; i < op.parts.size(); ++i) run(cpu, op.part(i));
}

}  // namespace poro
