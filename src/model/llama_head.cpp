// After the last block in generation: logits, the likeliest token, log-probabilities. Ranks that split the
// model have some rows of the head each.
#include <algorithm>
#include <cmath>

#include "model/llama_activations.h"
#include "ops/linear.h"
#include "ops/log_probs.h"
#include "ops/sample.h"

namespace poro {

Tensor Llama::head(const Tensor& hidden) {
  const Tensor out = ending().logits(hidden.dim(0));
  run(*device_, Linear{.x = hidden, .w = weights_.head, .y = out, .residual = {}});
  return out;
}

// All ranks' logits, on the device.
Tensor Llama::whole_head(const Tensor& hidden) {
  tell(Order::kHead, hidden);
  const Tensor part = head(hidden);
  if (ranks_.is_alone()) return part;
  const Tensor whole = ending().whole_logits(hidden.dim(0));
  for (int64_t row = 0; row < whole.dim(0); ++row)
    ranks_.comm().gather(part.rows(row, 1), whole.rows(row, 1));
  return whole;
}

Tensor Llama::logits(const Tensor& hidden) {
  const Tensor there = whole_head(hidden), on_host = ending().logits_on_host(hidden.dim(0));
  device_->copy(there, on_host);
  return on_host;
}

std::vector<Llama::Likely> Llama::likely(const Tensor& hidden, std::span<const double> temperatures) {
  constexpr int64_t kPlaces = 512;
  const Tensor logits = whole_head(hidden);
  const int64_t rows = hidden.dim(0);
  CHECK(logits.dtype == DType::kF32 && std::ssize(temperatures) == rows, "logits {}, {} temperatures",
        logits.str(), temperatures.size());
  // One piece of memory on either side, and so one copy: temperatures and totals, counts, ids, values.
  const int64_t bytes = rows * (2 * 8 + 4 + kPlaces * 8);
  const Tensor there = ending().likely_bytes(bytes);
  std::vector<std::byte> here(static_cast<size_t>(bytes));
  const auto parts_of = [&](std::byte* at, Place place) {
    std::vector<Tensor> parts;
    for (const auto& [dtype, shape] :
         {std::pair{DType::kF64, Shape{rows}}, std::pair{DType::kF64, Shape{rows}},
          std::pair{DType::kI32, Shape{rows}}, std::pair{DType::kI32, Shape{rows, kPlaces}},
          std::pair{DType::kF32, Shape{rows, kPlaces}}}) {
      parts.push_back({.data = at, .dtype = dtype, .shape = shape, .place = place});
      at += parts.back().bytes();
    }
    return parts;
  };
  const std::vector<Tensor> out = parts_of(there.data, there.place), in = parts_of(here.data(), Place::kHost);
  device_->copy(view(temperatures), out[0]);
  run(*device_, TopLogits{.logits = logits,
                          .temperatures = out[0],
                          .ids = out[3],
                          .values = out[4],
                          .counts = out[2],
                          .totals = out[1]});
  device_->copy(there, {.data = here.data(), .dtype = there.dtype, .shape = there.shape});
  std::vector<Likely> result;
  for (int64_t row = 0; row < rows; ++row) {
    const int32_t *ids = in[3].as<int32_t>() + row * kPlaces, count = in[2].as<int32_t>()[row];
    const float* values = in[4].as<float>() + row * kPlaces;
    result.push_back(
        {.ids = {ids, ids + count}, .logits = {values, values + count}, .total = in[1].as<double>()[row]});
  }
  return result;
}

std::vector<int32_t> Llama::likeliest(const Tensor& hidden) {
  tell(Order::kLikeliest, hidden);
  const Activations& a = ending();
  const int64_t rows = hidden.dim(0);
  const Tensor ids = a.next_ids(rows), logits = ranks_.is_alone() ? Tensor{} : a.next_logits(rows);
  run(*device_, Argmax{.logits = head(hidden), .ids = ids, .highest = logits});
  std::vector<int32_t> result(static_cast<size_t>(rows));
  device_->copy(ids, view(result));
  if (ranks_.is_alone()) return result;

  struct Candidate {
    double logit;
    int64_t id;
  };
  Arena arena("candidates");
  const Tensor on_host = arena.tensor(logits.dtype, logits.shape);
  device_->copy(logits, on_host);
  std::vector<Candidate> mine, all(result.size() * static_cast<size_t>(ranks_.size()));
  for (size_t t = 0; t < result.size(); ++t)
    mine.push_back({.logit = load_element(on_host, static_cast<int64_t>(t)), .id = result[t]});
  ranks_.comm().all_gather(std::as_bytes(std::span(mine)), std::as_writable_bytes(std::span(all)));
  for (size_t t = 0; t < result.size(); ++t) {
    double highest = -INFINITY;
    bool has_nan = false;
    for (int rank = 0; rank < ranks_.size(); ++rank) {  // The lowest id among equals comes first.
      const Candidate& candidate = all[static_cast<size_t>(rank) * result.size() + t];
      has_nan |= candidate.id < 0;
      if (rank > 0 && !(candidate.logit > highest)) continue;
      highest = candidate.logit;
      result[t] = static_cast<int32_t>(candidate.id + rank * config_.vocab_size);
    }
    if (has_nan) result[t] = -1;
  }
  return result;
}

namespace {

std::vector<double> on_host(Device& device, const Tensor& tensor) {
  Arena arena("log-probabilities");
  const Tensor copy = arena.tensor(tensor.dtype, tensor.shape);
  device.copy(tensor, copy);
  std::vector<double> values;
  for (int64_t i = 0; i < copy.elements(); ++i) values.push_back(load_element(copy, i));
  return values;
}

}  // namespace

std::vector<double> Llama::log_probs(const Tensor& hidden, std::span<const int32_t> targets) {
  constexpr int64_t kChunk = 64;
  CHECK(hidden.dim(0) == static_cast<int64_t>(targets.size()), "{} states, {} targets", hidden.dim(0),
        targets.size());
  tell(Order::kLogProbs, hidden, targets);
  Arena arena("log-probabilities", *device_);
  const Tensor logp = arena.tensor(ranks_.is_alone() ? device_->exact_dtype() : DType::kF64, {hidden.dim(0)}),
               lse = ranks_.is_alone() ? Tensor{} : arena.tensor(DType::kF64, {hidden.dim(0)});
  const std::span<const int32_t> parts[] = {targets};
  const Tensor on_device = ending().integers.set(parts)[0];
  for (int64_t first = 0; first < hidden.dim(0); first += kChunk) {
    const int64_t count = std::min(kChunk, hidden.dim(0) - first);
    run(*device_, LogProbs{.logits = head(hidden.rows(first, count)),
                           .targets = on_device.rows(first, count),
                           .logp = logp.rows(first, count),
                           .first_id = ranks_.rank() * config_.vocab_size,
                           .lse = lse ? lse.rows(first, count) : Tensor{}});
  }
  if (ranks_.is_alone()) return on_host(*device_, logp);
  std::vector<double> denominators;
  return log_probs_of_parts(ranks_.comm(), on_host(*device_, logp), on_host(*device_, lse), denominators);
}

}  // namespace poro
