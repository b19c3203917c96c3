#include "model/tensor_ranks.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "ops/add.h"

namespace poro {
namespace {

// Calls body(first in the whole, first in the part, elements) for every run that is contiguous in both.
template <class Body>
void for_runs(const Shape& part, std::optional<int> split_dim, int rank, const Shape& whole,
              const Body& body) {
  if (!split_dim) return body(int64_t{0}, int64_t{0}, part.elements());
  if (*split_dim == 0) return body(rank * part.elements(), int64_t{0}, part.elements());
  CHECK(*split_dim == 1 && part.rank() == 2, "a split of {} along {}", part.str(), *split_dim);
  for (int64_t row = 0; row < part[0]; ++row) body(row * whole[1] + rank * part[1], row * part[1], part[1]);
}

void divide(int64_t& value, int ranks, const char* name) {
  if (value % ranks != 0)
    fail(
        "{} ranks cannot split the model's {}, {}; take a number of ranks that divides it (parallel.tensor "
        "in a recipe, mpirun -n "
        "elsewhere)",
        ranks, name, value);
  value /= ranks;
}

}  // namespace

void TensorRanks::gather(const Tensor& whole) const {
  if (token_parts() == 1) return;
  const Tensor mine = part(whole);
  comm_->gather(mine, whole);
}

void TensorRanks::reduce(const Tensor& whole, const Tensor& residual, const Tensor& rows) const {
  if (token_parts() == 1) return comm_->sum_onto(whole, residual, rows);
  const Tensor sum = part(whole);
  comm_->reduce_scatter(whole, sum);
  if (residual || rows.data != sum.data) run(*device_, Add{.a = sum, .b = residual, .to = rows});
}

void TensorRanks::add_sum(const Tensor& values, const Tensor& to) const {
  comm_->all_reduce(values);
  run(*device_, Add{.a = values, .b = to, .to = to});
}

LlamaConfig part_of_config(const LlamaConfig& config, int ranks) {
  LlamaConfig part = config;
  divide(part.num_heads, ranks, "query heads");
  divide(part.num_kv_heads, ranks, "key/value heads");
  divide(part.intermediate_size, ranks, "feed-forward width");
  divide(part.vocab_size, ranks, "vocabulary");
  return part;
}

Shape whole_shape(const WeightSpec& part, int ranks) {
  if (!part.split_dim) return part.shape;
  return *part.split_dim == 0 ? part.shape.with_first(part.shape[0] * ranks)
                              : Shape{part.shape[0], part.shape[1] * ranks};
}

void copy_part(const Tensor& whole, std::optional<int> split_dim, int rank, const Tensor& part) {
  for_runs(part.shape, split_dim, rank, whole.shape, [&](int64_t in_whole, int64_t in_part, int64_t count) {
    for (int64_t i = 0; i < count; ++i) store_element(part, in_part + i, load_element(whole, in_whole + i));
  });
}

void copy_into_whole(const Tensor& part, std::optional<int> split_dim, int rank, const Tensor& whole) {
  for_runs(part.shape, split_dim, rank, whole.shape, [&](int64_t in_whole, int64_t in_part, int64_t count) {
    for (int64_t i = 0; i < count; ++i) store_element(whole, in_whole + i, load_element(part, in_part + i));
  });
}

std::vector<double> log_probs_of_parts(Comm& comm, std::span<const double> logits,
                                       std::span<const double> lse, std::vector<double>& denominators) {
  const size_t count = logits.size(), n = static_cast<size_t>(comm.size());
  std::vector<double> mine(logits.begin(), logits.end()), all(2 * count * n), logp(count);
  mine.insert(mine.end(), lse.begin(), lse.end());
  comm.all_gather(std::as_bytes(std::span(mine)), std::as_writable_bytes(std::span(all)));
  denominators.assign(count, 0);
  for (size_t t = 0; t < count; ++t) {
    double logit = 0, highest = -INFINITY, sum = 0;
    for (size_t rank = 0; rank < n; ++rank) logit += all[2 * count * rank + t];
    for (size_t rank = 0; rank < n; ++rank) highest = std::max(highest, all[2 * count * rank + count + t]);
    for (size_t rank = 0; rank < n; ++rank) sum += std::exp(all[2 * count * rank + count + t] - highest);
    denominators[t] = highest + std::log(sum);
    logp[t] = logit - denominators[t];
  }
  return logp;
}

}  // namespace poro
