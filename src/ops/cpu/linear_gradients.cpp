// The two gradients of a product are products too, of operands that lie on their side: dx = dy (W^T)^T, and
// dw = dy^T (x^T)^T. The AMX tiles take them as they lie. Elsewhere the operands are turned, which is a pass
// over memory, and the forward product does the work at its speed, with its promise that no sum depends on
// the number of threads.
#include <algorithm>

#include "ops/cpu/linear_kernels.h"
#include "ops/cpu/transpose.h"

namespace poro {

void run(Cpu& cpu, const LinearInputGradient& op) {
  if (has_tiles(cpu, op.w.dtype()) && op.dy.dim(0) > kFewTokens)
    return product_in_tiles(cpu, amx::Kind::kInputGradient,
                            {.x = op.dy, .w = op.w.values, .y = op.dx, .residual = op.residual});
  const Matrix turned = {.values = transposed_weights(cpu, op.w), .quantization = {}};
  run(cpu, Linear{.x = op.dy, .w = turned, .y = op.dx, .residual = op.residual});
}

void run(Cpu& cpu, const LinearWeightGradient& op) {
  if (has_tiles(cpu, op.operands) && op.dw.dim(0) > kFewTokens)
    return product_in_tiles(cpu, amx::Kind::kWeightGradient,
                            {.x = op.dy, .w = op.x, .y = op.dw, .residual = op.dw});
  const int64_t tokens = op.dy.dim(0);
  const Tensor dy{.data = nullptr, .dtype = DType::kF32, .shape = {op.dy.dim(1), tokens}};
  const Tensor x{.data = nullptr, .dtype = op.operands, .shape = {op.x.dim(1), tokens}};
  constexpr size_t kAlignment = 64;
  const size_t dy_bytes = (dy.bytes() + kAlignment - 1) / kAlignment * kAlignment;
  std::byte* memory = cpu.operands(dy_bytes + x.bytes());
  const Tensor turned_dy{.data = memory, .dtype = dy.dtype, .shape = dy.shape};
  const Tensor turned_x{.data = memory + dy_bytes, .dtype = x.dtype, .shape = x.shape};
  transpose(cpu.pool, op.dy, turned_dy);
  transpose(cpu.pool, op.x, turned_x);
  run(cpu,
      Linear{.x = turned_dy, .w = {.values = turned_x, .quantization = {}}, .y = op.dw, .residual = op.dw});
}

}  // namespace poro
