#include "infer/sampler.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "base/error.h"

namespace poro {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

template <class T>
void widen(const T* values, std::vector<double>& wide) {
  bool has_nan = false;
  for (size_t i = 0; i < wide.size(); ++i) {
    wide[i] = values[i];
    has_nan |= wide[i] != wide[i];
  }
  if (has_nan)
    fail("the logits hold NaN, so there is no next token to choose; are the weights damaged, or in a type too narrow for them?");
}

// The logits as f64. Throws Error when one is NaN.
void widen(const Tensor& logits, std::vector<double>& wide) {
  CHECK(logits.shape.rank() == 1 && logits.dim(0) > 0, "logits are {}", logits.str());
  wide.resize(static_cast<size_t>(logits.dim(0)));
  if (logits.dtype == DType::kF64)
    widen(logits.as<double>(), wide);
  else
    widen(logits.as<float>(), wide);
}

}  // namespace

int32_t argmax(std::span<const double> logits) {
  return static_cast<int32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
}

std::vector<double> log_softmax(const Tensor& logits) {
  std::vector<double> result;
  widen(logits, result);
  const double highest = *std::max_element(result.begin(), result.end());
  double sum = 0;
  for (const double logit : result) sum += std::exp(logit - highest);
  const double log_sum = highest + std::log(sum);
  for (double& value : result) value -= log_sum;
  return result;
}

void Sampler::add_prompt(std::span<const int32_t> ids) {
  for (const int32_t id : ids) times_generated_.try_emplace(id, 0);
}

void Sampler::add_generated(int32_t id) { ++times_generated_[id]; }

int32_t Sampler::next(const Tensor& logits) {
  const Distribution left = distribution(logits);
  const double uniform = random_.uniform();
  // The first candidate whose running sum passes the number; rounding may leave the last sum a hair short of it.
  size_t chosen = 0;
  double sum = 0;
  for (size_t i = 0; i < left.ids.size(); ++i) {
    if (left.probabilities[i] == 0) continue;
    chosen = i;
    sum += left.probabilities[i];
    if (sum > uniform) break;
  }
  add_generated(left.ids[chosen]);
  return left.ids[chosen];
}

Sampler::Distribution Sampler::distribution(const Tensor& logits) {
  load(logits);
  apply_penalties();
  if (parameters_.temperature == 0) {
    ids_.assign(1, argmax(logits_));
    weights_.assign(1, 1.0);
    return {ids_, weights_};
  }
  shift_and_scale();
  if (parameters_.top_k > 0) keep_top_k();
  weigh();
  if (parameters_.top_p < 1) keep_top_p();
  if (parameters_.min_p > 0) keep_min_p();
  if (parameters_.typical_p < 1) keep_typical_p();
  for (double& weight : weights_) weight /= total_weight_;
  return {ids_, weights_};
}

void Sampler::load(const Tensor& logits) {
  widen(logits, logits_);
  ids_.resize(logits_.size());
  std::iota(ids_.begin(), ids_.end(), 0);
  weights_.resize(logits_.size());
}

void Sampler::apply_penalties() {
  const double repetition = parameters_.repetition_penalty;
  if (repetition == 1 && parameters_.presence_penalty == 0 && parameters_.frequency_penalty == 0) return;
  for (const auto& [id, times] : times_generated_) {
    CHECK(id >= 0 && static_cast<size_t>(id) < logits_.size(), "token {} of {} logits", id, logits_.size());
    double& logit = logits_[static_cast<size_t>(id)];
    logit = logit < 0 ? logit * repetition : logit / repetition;
    if (times > 0) logit -= parameters_.presence_penalty + parameters_.frequency_penalty * static_cast<double>(times);
  }
}

// The highest logit becomes 0, which changes no probability and keeps every later exponential in range, however small the
// temperature. Candidates without any probability leave here.
void Sampler::shift_and_scale() {
  const double highest = *std::max_element(logits_.begin(), logits_.end());
  if (highest == -kInfinity) fail("every logit is -inf, so there is no next token to choose");
  if (highest == kInfinity)
    for (double& logit : logits_) logit = logit == kInfinity ? 0 : -kInfinity;
  else
    for (double& logit : logits_) logit = (logit - highest) / parameters_.temperature;
  keep_if([&](size_t i) { return logits_[i] != -kInfinity; });
}

// All that equal the k-th stay.
void Sampler::keep_top_k() {
  const size_t k = static_cast<size_t>(parameters_.top_k);
  if (k >= ids_.size()) return;
  const double rank = static_cast<double>(ids_.size() - k + 1);
  const double lowest = logits_[first_reaching(logits_, [](size_t) { return 1.0; }, [&](double sum) { return sum >= rank; })];
  keep_if([&](size_t i) { return logits_[i] >= lowest; });
}

void Sampler::weigh() {
  total_weight_ = 0;
  for (size_t i = 0; i < ids_.size(); ++i) {
    weights_[i] = std::exp(logits_[i]);
    total_weight_ += weights_[i];
  }
}

// Going up from the least likely, tokens leave while their sum is at most 1 - top_p; among equals the lower id leaves first.
void Sampler::keep_top_p() {
  const double total = total_weight_;
  const size_t last = first_reaching(
      logits_, [&](size_t i) { return weights_[i] / total; }, [&](double sum) { return sum > 1 - parameters_.top_p; });
  const double lowest = logits_[last];
  const int32_t lowest_id = ids_[last];
  keep_if([&](size_t i) { return logits_[i] > lowest || (logits_[i] == lowest && ids_[i] >= lowest_id); });
}

void Sampler::keep_min_p() {
  const double highest = *std::max_element(weights_.begin(), weights_.end());
  const double lowest = parameters_.min_p * (highest / total_weight_), total = total_weight_;
  keep_if([&](size_t i) { return weights_[i] / total >= lowest; });
}

// Meister et al., Locally Typical Sampling, 2022: tokens by how far their surprise is from the expected one.
void Sampler::keep_typical_p() {
  const double total = total_weight_, log_total = std::log(total);
  double entropy = 0;
  for (size_t i = 0; i < ids_.size(); ++i) entropy += weights_[i] / total * (log_total - logits_[i]);
  keys_.resize(ids_.size());
  for (size_t i = 0; i < ids_.size(); ++i) keys_[i] = std::abs(log_total - logits_[i] - entropy);
  const double farthest = keys_[first_reaching(
      keys_, [&](size_t i) { return weights_[i] / total; }, [&](double sum) { return sum >= parameters_.typical_p; })];
  keep_if([&](size_t i) { return keys_[i] <= farthest; });
}

// Closes the gaps: the candidates for which keep(index) holds, in their order, with their weight in total.
template <class Keep>
void Sampler::keep_if(const Keep& keep) {
  size_t kept = 0;
  total_weight_ = 0;
  for (size_t i = 0; i < ids_.size(); ++i) {
    const bool is_kept = keep(i);
    ids_[kept] = ids_[i];
    logits_[kept] = logits_[i];
    weights_[kept] = weights_[i];
    total_weight_ += is_kept ? weights_[i] : 0;
    kept += is_kept ? 1 : 0;
  }
  ids_.resize(kept);
  logits_.resize(kept);
  weights_.resize(kept);
}

// The first candidate, in rising order of key and then index, whose running sum of weights satisfies is_reached; the last one
// if none does. A sort would answer too, in ten times the time: instead the keys fall into bins, and only the bin where the
// sum passes is looked at closer.
template <class Weight, class Reached>
size_t Sampler::first_reaching(const std::vector<double>& keys, const Weight& weight, const Reached& is_reached) {
  constexpr size_t kFew = 64;
  constexpr int kBins = 2048;
  border_.resize(keys.size());
  std::iota(border_.begin(), border_.end(), 0);
  const auto key = [&](int32_t i) { return keys[static_cast<size_t>(i)]; };
  double below = 0;  // The weight of everything under the border.
  for (size_t size = 0; border_.size() > kFew && border_.size() != size;) {
    size = border_.size();
    const auto [low, high] = std::minmax_element(border_.begin(), border_.end(), [&](int32_t a, int32_t b) { return key(a) < key(b); });
    const double lowest = key(*low), scale = (kBins - 1) / (key(*high) - lowest);
    if (!std::isfinite(scale)) break;  // All the same.
    const auto bin = [&](int32_t i) { return static_cast<size_t>((key(i) - lowest) * scale); };
    bin_weights_.assign(kBins, 0.0);
    for (const int32_t i : border_) bin_weights_[bin(i)] += weight(static_cast<size_t>(i));
    const size_t top = bin(*high);
    size_t passing = 0;
    while (passing < top && !is_reached(below + bin_weights_[passing])) below += bin_weights_[passing++];
    std::erase_if(border_, [&](int32_t i) { return bin(i) != passing; });
  }
  std::sort(border_.begin(), border_.end(), [&](int32_t a, int32_t b) { return key(a) != key(b) ? key(a) < key(b) : a < b; });
  for (const int32_t i : border_) {
    below += weight(static_cast<size_t>(i));
    if (is_reached(below)) return static_cast<size_t>(i);
  }
  return static_cast<size_t>(border_.back());
}

}  // namespace poro
