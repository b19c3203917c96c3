// Shares a product on the AMX tiles out over the threads: all of them pack the tokens of a block, then each
// computes outputs of its own.
#include <algorithm>

#include "ops/cpu/linear_kernels.h"

namespace poro {

void product_in_tiles(Cpu& cpu, amx::Kind kind, const TileOperands& operands) {
#if defined(__x86_64__)
  const bool is_turned = kind == amx::Kind::kWeightGradient;  // x is (K, T).
  const int64_t all_tokens = operands.y.dim(0), outputs = operands.y.dim(1);
  const int64_t inputs = operands.x.dim(is_turned ? 0 : 1), stride = operands.x.dim(1);
  const int64_t packed_bytes = amx::packed_bytes(std::min(all_tokens, amx::kBlockTokens), inputs);
  std::byte* packed = cpu.scratch(static_cast<size_t>(packed_bytes + cpu.pool.size() * amx::kScratchBytes));
  for (int64_t token = 0; token < all_tokens; token += amx::kBlockTokens) {
    const int64_t tokens = std::min(all_tokens - token, amx::kBlockTokens);
    const float* x = operands.x.as<float>() + (is_turned ? token : token * stride);
    parallel_for(cpu.pool, amx::token_groups(tokens), 1, [&](Range groups) {
      amx::pack_tokens(kind, {.x = x,
                              .stride = stride,
                              .tokens = tokens,
                              .inputs = inputs,
                              .packed = packed,
                              .first_group = groups.begin,
                              .last_group = groups.end});
    });
    cpu.pool.run([&](int thread) {
      const Range range = share(outputs, thread, cpu.pool.size(), amx::kPanel);
      const int64_t at = token * outputs;
      amx::product(kind, {.packed = packed,
                          .w = operands.w.data,
                          .y = operands.y.as<float>() + at,
                          .residual = operands.residual ? operands.residual.as<float>() + at : nullptr,
                          .tokens = tokens,
                          .inputs = inputs,
                          .outputs = outputs,
                          .first = range.begin,
                          .last = range.end,
                          .scratch = packed + packed_bytes + thread * amx::kScratchBytes});
    });
  }
#else
  static_cast<void>(cpu), static_cast<void>(operands);
  CHECK(false, "product {} on the tiles of another processor", static_cast<int>(kind));
#endif
}

}  // namespace poro
