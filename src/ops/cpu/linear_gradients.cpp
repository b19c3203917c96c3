// The two gradients of a product. Each thread owns columns of dx or rows of dw, and sums in the order of the reference, so the
// result does not depend on the number of threads.
#include <vector>

#include "ops/cpu/kernels.h"
#include "ops/linear.h"

namespace poro {
namespace {

// Tokens whose sums stay in cache while the rows of the weights pass by.
constexpr int64_t kTokenBlock = 16;

void add_scaled(const float* from, float factor, float* to, int64_t count) {
  for (int64_t i = 0; i < count; ++i) to[i] += factor * from[i];
}

}  // namespace

void run(Cpu& cpu, const LinearInputGradient& op) {
  const int64_t outputs = op.w.outputs(), inputs = op.w.inputs(), row_bytes = inputs * dtype_bits(op.w.dtype()) / 8;
  const float* dy = op.dy.as<float>();
  float* dx = op.dx.as<float>();
  const float* residual = op.residual ? op.residual.as<float>() : nullptr;
  parallel_for(cpu.pool, op.dy.dim(0), kTokenBlock, [&](Range tokens) {
    std::vector<float> row(static_cast<size_t>(inputs));
    for (int64_t first = tokens.begin; first < tokens.end; first += kTokenBlock) {
      const int64_t last = std::min(tokens.end, first + kTokenBlock);
      for (int64_t t = first; t < last; ++t)
        for (int64_t i = 0; i < inputs; ++i) dx[t * inputs + i] = residual != nullptr ? residual[t * inputs + i] : 0.0f;
      for (int64_t o = 0; o < outputs; ++o) {
        kernels(cpu.isa).convert({.from = op.w.values.data + o * row_bytes, .from_dtype = op.w.dtype(), .to = row.data(),
                                  .to_dtype = DType::kF32, .count = inputs});
        for (int64_t t = first; t < last; ++t) add_scaled(row.data(), dy[t * outputs + o], dx + t * inputs, inputs);
      }
    }
  });
}

void run(Cpu& cpu, const LinearWeightGradient& op) {
  const int64_t outputs = op.dw.dim(0), inputs = op.dw.dim(1);
  const float *dy = op.dy.as<float>(), *x = op.x.as<float>();
  float* dw = op.dw.as<float>();
  parallel_for(cpu.pool, outputs, 1, [&](Range rows) {
    for (int64_t o = rows.begin; o < rows.end; ++o)
      for (int64_t t = 0; t < op.dy.dim(0); ++t) add_scaled(x + t * inputs, dy[t * outputs + o], dw + o * inputs, inputs);
  });
}

}  // namespace poro
