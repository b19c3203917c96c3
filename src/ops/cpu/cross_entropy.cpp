// The head and the loss, a chunk of rows at a time: a chunk's logits turn into their own gradient in place.
// Rows that do not count (a negative target, or coefficient zero) are left out before the first product.
#include "ops/cross_entropy.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "ops/cpu/gradient_kernels.h"
#include "ops/cpu/kernels.h"
#include "ops/cpu/linear_kernels.h"
#include "ops/cpu/transpose.h"
#include "ops/linear.h"

namespace poro {
namespace {

// Rows whose logits are held at once: enough that the head is read seldom, and at most 128 MiB of them.
int64_t chunk_rows(const Matrix& head) {
  return std::clamp<int64_t>((int64_t{1} << 25) / head.outputs(), 64, 1024);
}

// The hidden states of the counted rows and their logits, chunk by chunk.
class CountedRows {
 public:
  CountedRows(const Tensor& hidden, const Matrix& head, std::vector<int64_t> rows)
      : hidden_(hidden), head_(head), rows_(std::move(rows)), chunk_(chunk_rows(head)) {
    const int64_t most = std::min<int64_t>(chunk_, static_cast<int64_t>(rows_.size()));
    states_ = arena_.tensor(DType::kF32, {std::max<int64_t>(most, 1), hidden.dim(1)});
    logits_ = arena_.tensor(DType::kF32, {std::max<int64_t>(most, 1), head.outputs()});
  }

  // Calls body(rows of the chunk, their hidden states, their logits).
  template <class Body>
  void for_chunks(Cpu& cpu, const Body& body) {
    const int64_t width = hidden_.dim(1), total = static_cast<int64_t>(rows_.size());
    for (int64_t first = 0; first < total; first += chunk_) {
      const int64_t count = std::min(chunk_, total - first);
      const std::span<const int64_t> rows(rows_.data() + first, static_cast<size_t>(count));
      const Tensor states = states_.rows(0, count), logits = logits_.rows(0, count);
      for (int64_t i = 0; i < count; ++i)
        std::memcpy(states.as<float>() + i * width,
                    hidden_.as<float>() + rows[static_cast<size_t>(i)] * width,
                    static_cast<size_t>(width) * sizeof(float));
      run(cpu, Linear{.x = states, .w = head_, .y = logits, .residual = {}});
      body(rows, states, logits);
    }
  }

 private:
  const Tensor& hidden_;
  const Matrix& head_;
  std::vector<int64_t> rows_;
  int64_t chunk_;
  Arena arena_{"logits of a chunk"};
  Tensor states_, logits_;
};

template <class Counts>
std::vector<int64_t> rows_where(int64_t tokens, const Counts& counts) {
  std::vector<int64_t> rows;
  for (int64_t t = 0; t < tokens; ++t)
    if (counts(t)) rows.push_back(t);
  return rows;
}

// body(i) for the rows of a chunk, on all threads.
template <class Body>
void for_rows(Cpu& cpu, std::span<const int64_t> rows, const Body& body) {
  parallel_for(cpu.pool, static_cast<int64_t>(rows.size()), 1, [&](Range range) {
    for (int64_t i = range.begin; i < range.end; ++i) body(i);
  });
}

}  // namespace

void run(Cpu& cpu, const TargetLogProbs& op) {
  const int64_t vocab = op.head.outputs();
  const int32_t* targets = op.targets.as<int32_t>();
  for (int64_t t = 0; t < op.targets.dim(0); ++t) {
    store_element(op.logp, t, 0);
    if (op.lse) op.lse.as<double>()[t] = 0;
  }
  CountedRows counted(op.hidden, op.head,
                      rows_where(op.targets.dim(0), [&](int64_t t) { return targets[t] >= 0; }));
  counted.for_chunks(cpu, [&](std::span<const int64_t> rows, const Tensor&, const Tensor& logits) {
    for_rows(cpu, rows, [&](int64_t i) {
      const float* row = logits.as<float>() + i * vocab;
      const int64_t t = rows[static_cast<size_t>(i)], target = targets[t] - op.first_id;
      const double logit = target >= 0 && target < vocab ? static_cast<double>(row[target]) : 0.0;
      const double denominator = kernels(cpu.isa).log_sum_exp({.logits = row, .count = vocab});
      store_element(op.logp, t, op.lse ? logit : logit - denominator);
      if (op.lse) op.lse.as<double>()[t] = denominator;
    });
  });
}

void run(Cpu& cpu, const CrossEntropyBackward& op) {
  const int64_t vocab = op.head.outputs(), width = op.head.inputs();
  const double* coefficients = op.coefficients.as<double>();
  std::memset(op.dhidden.data, 0, op.dhidden.bytes());
  for (int64_t t = 0; op.logp && t < op.targets.dim(0); ++t) store_element(op.logp, t, 0);
  const DType operands = op.head.dtype() == DType::kBF16 ? DType::kBF16 : DType::kF32;
  // Where products want it so, turned once for all chunks, in memory that the products of a chunk do not use.
  Arena arena("the head on its side");
  Tensor turned;
  if (!has_tiles(cpu, operands)) {
    turned = arena.tensor(operands, {width, vocab});
    transpose(cpu.pool, op.head.values, turned);
  }
  const Tensor dstates = arena.tensor(DType::kF32, {std::min(chunk_rows(op.head), op.hidden.dim(0)), width});
  CountedRows counted(op.hidden, op.head,
                      rows_where(op.targets.dim(0), [&](int64_t t) { return coefficients[t] != 0; }));
  counted.for_chunks(cpu, [&](std::span<const int64_t> rows, const Tensor& states, const Tensor& logits) {
    for_rows(cpu, rows, [&](int64_t i) {
      float* row = logits.as<float>() + i * vocab;
      const int64_t t = rows[static_cast<size_t>(i)], target = op.targets.as<int32_t>()[t] - op.first_id;
      const double denominator =
          op.lse ? op.lse.as<double>()[t] : kernels(cpu.isa).log_sum_exp({.logits = row, .count = vocab});
      if (op.logp) store_element(op.logp, t, static_cast<double>(row[target]) - denominator);
      const float coefficient = static_cast<float>(coefficients[t]);
      gradient_kernels(cpu.isa).softmax(
          {.row = row, .count = vocab, .coefficient = coefficient, .shift = static_cast<float>(denominator)});
      if (target >= 0 && target < vocab) row[target] -= coefficient;
    });
    const Tensor dx = dstates.rows(0, states.dim(0));
    if (turned)
      run(cpu, Linear{.x = logits, .w = {.values = turned, .quantization = {}}, .y = dx, .residual = {}});
    else
      run(cpu, LinearInputGradient{.dy = logits, .w = op.head, .dx = dx, .residual = {}});
    for (size_t i = 0; i < rows.size(); ++i)
      std::memcpy(op.dhidden.as<float>() + rows[i] * width, dx.as<float>() + static_cast<int64_t>(i) * width,
                  static_cast<size_t>(width) * sizeof(float));
    run(cpu, LinearWeightGradient{.dy = logits, .x = states, .dw = op.dhead, .operands = operands});
  });
}

}  // namespace poro
