// Chooses the product for the kind of weights and the number of tokens, and shares its outputs out over the
// threads. A few tokens are bound by reading the weights, so they keep their activations in f32; many tokens
// with bf16 weights go through the fastest unit for bf16, which rounds the activations to bf16 too. No
// product splits a sum over threads.
#include "ops/linear.h"

#include "ops/cpu/amx_kernels.h"
#include "ops/cpu/dot_bf16.h"
#include "ops/cpu/kernels.h"
#include "ops/cpu/linear_kernels.h"

namespace poro {
namespace {

// Up to here the f32 product takes no longer than reading the weights.
constexpr int64_t kFewTokens = 8;
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

void linear_amx(Cpu& cpu, const Linear& op) {
  const int64_t inputs = op.w.inputs(), outputs = op.w.outputs();
  const int64_t packed_bytes = amx::packed_bytes(std::min(op.x.dim(0), amx::kBlockTokens), inputs);
  std::byte* packed = cpu.scratch(static_cast<size_t>(packed_bytes + cpu.pool.size() * amx::kScratchBytes));
  for (int64_t token = 0; token < op.x.dim(0); token += amx::kBlockTokens) {
    const int64_t tokens = std::min(op.x.dim(0) - token, amx::kBlockTokens);
    const float* x = op.x.as<float>() + token * inputs;
    parallel_for(cpu.pool, amx::token_groups(tokens), 1, [&](Range groups) {
      amx::pack_tokens({.x = x,
                        .tokens = tokens,
                        .inputs = inputs,
                        .packed = packed,
                        .first_group = groups.begin,
                        .last_group = groups.end});
    });
    cpu.pool.run([&](int thread) {
      const Range range = share(outputs, thread, cpu.pool.size(), amx::kPanel);
      amx::product({.packed = packed,
                    .w = op.w.values.as<BFloat16>(),
                    .y = op.y.as<float>() + token * outputs,
                    .residual = op.residual ? op.residual.as<float>() + token * outputs : nullptr,
                    .tokens = tokens,
                    .inputs = inputs,
                    .outputs = outputs,
                    .first = range.begin,
                    .last = range.end,
                    .scratch = packed + packed_bytes + thread * amx::kScratchBytes});
    });
  }
}
#endif

}  // namespace

void run(Cpu& cpu, const Linear& op) {
  if (op.w.is_quantised()) return linear_quantized(cpu, op);
#if defined(__x86_64__)
  if (op.w.values.dtype == DType::kBF16 && op.x.dim(0) > kFewTokens) {
    if (cpu.isa >= Isa::kAmx) return linear_amx(cpu, op);
    if (has_fast_bf16_dot(cpu.isa)) return linear_bf16_dot(cpu, op);
  }
#endif
  linear_dot(cpu, op);
}

void run(Cpu& cpu, const Linears& op) {
  for (size_t i = 0; i < op.parts.size(); ++i) run(cpu, op.part(i));
}

}  // namespace poro
