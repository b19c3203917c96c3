// The head and the loss, a chunk of rows at a time: a chunk's logits turn into their own gradient in place.
#include "ops/cross_entropy.h"

#include <algorithm>
#include <cmath>

#include "ops/cpu/kernels.h"
#include "ops/linear.h"

namespace poro {
namespace {

constexpr int64_t kChunk = 64;

int64_t chunk_rows(const Tensor& hidden) { return std::min(kChunk, hidden.dim(0)); }

// Calls body(first row, rows, logits of those rows).
template <class Body>
void for_logits(Cpu& cpu, const Tensor& hidden, const Matrix& head, const Body& body) {
  Arena arena("logits of a chunk");
  const Tensor memory = arena.tensor(DType::kF32, {chunk_rows(hidden), head.outputs()});
  for (int64_t first = 0; first < hidden.dim(0); first += kChunk) {
    const int64_t rows = std::min(kChunk, hidden.dim(0) - first);
    const Tensor logits = memory.rows(0, rows);
    run(cpu, Linear{.x = hidden.rows(first, rows), .w = head, .y = logits, .residual = {}});
    body(first, rows, logits);
  }
}

}  // namespace

void run(Cpu& cpu, const TargetLogProbs& op) {
  const int64_t vocab = op.head.outputs();
  for_logits(cpu, op.hidden, op.head, [&](int64_t first, int64_t rows, const Tensor& logits) {
    parallel_for(cpu.pool, rows, 1, [&](Range range) {
      for (int64_t t = range.begin; t < range.end; ++t) {
        const float* row = logits.as<float>() + t * vocab;
        const int64_t target = op.targets.as<int32_t>()[first + t] - op.first_id;
        const double logit = target >= 0 && target < vocab ? static_cast<double>(row[target]) : 0.0;
        const double denominator = kernels(cpu.isa).log_sum_exp({.logits = row, .count = vocab});
        store_element(op.logp, first + t, op.lse ? logit : logit - denominator);
        if (op.lse) op.lse.as<double>()[first + t] = denominator;
      }
    });
  });
}

void run(Cpu& cpu, const CrossEntropyBackward& op) {
  const int64_t vocab = op.head.outputs();
  for_logits(cpu, op.hidden, op.head, [&](int64_t first, int64_t rows, const Tensor& logits) {
    parallel_for(cpu.pool, rows, 1, [&](Range range) {
      for (int64_t t = range.begin; t < range.end; ++t) {
        float* row = logits.as<float>() + t * vocab;
        const int64_t target = op.targets.as<int32_t>()[first + t] - op.first_id;
        const double denominator =
            op.lse ? op.lse.as<double>()[first + t] : kernels(cpu.isa).log_sum_exp({.logits = row, .count = vocab});
        if (op.logp) store_element(op.logp, first + t, static_cast<double>(row[target]) - denominator);
        const float coefficient = static_cast<float>(op.coefficients.as<double>()[first + t]);
        const float shift = static_cast<float>(denominator);
        for (int64_t v = 0; v < vocab; ++v) row[v] = coefficient * std::exp(row[v] - shift);
        if (target >= 0 && target < vocab) row[target] -= coefficient;
      }
    });
    run(cpu, LinearInputGradient{.dy = logits, .w = op.head, .dx = op.dhidden.rows(first, rows), .residual = {}});
    run(cpu, LinearWeightGradient{.dy = logits, .x = op.hidden.rows(first, rows), .dw = op.dhead});
  });
}

}  // namespace poro
