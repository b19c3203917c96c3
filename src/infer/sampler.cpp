#include "infer/sampler.h"

#include <algorithm>
#include <cmath>
#include <functional>
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
    fail(
        "the logits hold NaN, so there is no next token to choose; are the weights damaged, or in a type too "
        "narrow for them?");
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

// Four running extremes, because one is a chain of dependent comparisons.
template <class Better>
double extreme(std::span<const double> values, const Better& better) {
  double best[4] = {values[0], values[0], values[0], values[0]};
  size_t i = 0;
  for (; i + 4 <= values.size(); i += 4)
    for (size_t lane = 0; lane < 4; ++lane)
      best[lane] = better(values[i + lane], best[lane]) ? values[i + lane] : best[lane];
  for (; i < values.size(); ++i) best[0] = better(values[i], best[0]) ? values[i] : best[0];
  for (const double value : best) best[0] = better(value, best[0]) ? value : best[0];
  return best[0];
}
double highest(std::span<const double> values) {
  return extreme(values, std::greater<>());
}
double lowest(std::span<const double> values) {
  return extreme(values, std::less<>());
}

}  // namespace

int32_t argmax(std::span<const double> logits) {
  return static_cast<int32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
}

std::vector<double> log_softmax(const Tensor& logits) {
  std::vector<double> result;
  widen(logits, result);
  const double top = highest(result);
  double sum = 0;
  for (const double logit : result) sum += std::exp(logit - top);
  const double log_sum = top + std::log(sum);
  for (double& value : result) value -= log_sum;
  return result;
}

void Sampler::add_prompt(std::span<const int32_t> ids) {
  for (const int32_t id : ids) times_generated_.try_emplace(id, 0);
}

void Sampler::add_generated(int32_t id) {
  ++times_generated_[id];
}

int32_t Sampler::next(const Tensor& logits) {
  return draw(distribution(logits));
}

int32_t Sampler::draw(const Distribution& left) {
  const double uniform = random_.uniform();
  // The first candidate whose running sum passes the number; rounding may leave the last sum a hair short of
  // it.
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

bool Sampler::needs_all() const {
  const SamplingParameters& p = parameters_;
  if (p.repetition_penalty != 1 || p.presence_penalty != 0 || p.frequency_penalty != 0 || p.typical_p < 1)
    return true;
  return p.temperature != 0 && p.top_k <= 0 && p.top_p >= 1 && p.min_p <= 0;
}

std::optional<int32_t> Sampler::next(const LikelyTokens& tokens) {
  if (needs_all() || tokens.ids.empty()) return std::nullopt;
  load(tokens);
  if (parameters_.temperature == 0) {
    add_generated(ids_[static_cast<size_t>(argmax(logits_))]);
    return ids_[static_cast<size_t>(argmax(logits_))];
  }
  if (!narrow(tokens)) return std::nullopt;
  for (double& weight : weights_) weight /= total_weight_;
  return draw({ids_, weights_});
}

// In the order of ids, as logits of the whole vocabulary lie.
void Sampler::load(const LikelyTokens& tokens) {
  std::vector<size_t> order(tokens.ids.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return tokens.ids[a] < tokens.ids[b]; });
  ids_.resize(order.size());
  logits_.resize(order.size());
  for (size_t i = 0; i < order.size(); ++i) {
    ids_[i] = tokens.ids[order[i]];
    logits_[i] = tokens.logits[order[i]];
  }
  weights_.assign(order.size(), 1.0);
}

// The stages of `distribution`; false where one might keep a token that is not there.
bool Sampler::narrow(const LikelyTokens& tokens) {
  const bool is_all = std::ssize(tokens.ids) == tokens.vocab;
  shift_and_scale();
  double rest = 0;  // What the tokens weigh that are not there.
  if (parameters_.top_k > 0 && parameters_.top_k < tokens.vocab) {
    if (parameters_.top_k > std::ssize(ids_)) return false;
    keep_top_k();
    weigh();
  } else {
    weigh();
    const double mine = std::exp(log_sum_) / tokens.total;
    for (double& weight : weights_) weight *= mine;
    total_weight_ = mine;
    rest = is_all ? 0 : std::max(0.0, 1 - mine);
    const bool is_narrowed = parameters_.top_p < 1 ? rest <= 1 - parameters_.top_p
                                                   : lowest(weights_) < parameters_.min_p * highest(weights_);
    if (!is_all && !is_narrowed) return false;
  }
  if (parameters_.top_p < 1) keep_top_p(rest);
  if (parameters_.min_p > 0) keep_min_p();
  return true;
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
  if (parameters_.top_p < 1) keep_top_p(0);
  if (parameters_.min_p > 0) keep_min_p();
  if (parameters_.typical_p < 1) keep_typical_p();
  for (double& weight : weights_) weight /= total_weight_;
  return {ids_, weights_};
}

void Sampler::load(const Tensor& logits) {
  widen(logits, logits_);
  ids_.resize(logits_.size());
  std::iota(ids_.begin(), ids_.end(), 0);
  weights_.assign(logits_.size(), 1.0);
}

void Sampler::apply_penalties() {
  const double repetition = parameters_.repetition_penalty;
  if (repetition == 1 && parameters_.presence_penalty == 0 && parameters_.frequency_penalty == 0) return;
  for (const auto& [id, times] : times_generated_) {
    CHECK(id >= 0 && static_cast<size_t>(id) < logits_.size(), "token {} of {} logits", id, logits_.size());
    double& logit = logits_[static_cast<size_t>(id)];
    logit = logit < 0 ? logit * repetition : logit / repetition;
    if (times > 0)
      logit -= parameters_.presence_penalty + parameters_.frequency_penalty * static_cast<double>(times);
  }
}

// The highest logit becomes 0, which changes no probability and keeps every later exponential in range,
// however small the temperature. Candidates without any probability leave here.
void Sampler::shift_and_scale() {
  const double top = highest(logits_);
  if (top == -kInfinity) fail("every logit is -inf, so there is no next token to choose");
  if (top == kInfinity)
    for (double& logit : logits_) logit = logit == kInfinity ? 0 : -kInfinity;
  else
    for (double& logit : logits_) logit = (logit - top) / parameters_.temperature;
  if (lowest(logits_) == -kInfinity) keep_if([&](size_t i) { return logits_[i] != -kInfinity; });
}

// All that equal the k-th stay.
void Sampler::keep_top_k() {
  const size_t k = static_cast<size_t>(parameters_.top_k);
  if (k >= ids_.size()) return;
  const double rank = static_cast<double>(ids_.size() - k + 1);
  const double least = logits_[first_reaching(logits_, [&](double sum) { return sum >= rank; })];
  keep_if([&](size_t i) { return logits_[i] >= least; });
}

void Sampler::weigh() {
  total_weight_ = 0;
  for (size_t i = 0; i < ids_.size(); ++i) {
    weights_[i] = std::exp(logits_[i]);
    total_weight_ += weights_[i];
  }
  for (double& weight : weights_) weight /= total_weight_;
  log_sum_ = std::log(total_weight_);
  total_weight_ = 1;
}

// Going up from the least likely, tokens leave while their sum, with what is gone already, is at most 1 -
// top_p; among equals the lower id leaves first.
void Sampler::keep_top_p(double gone) {
  const size_t last = first_reaching(logits_, [&](double sum) { return gone + sum > 1 - parameters_.top_p; });
  const double least = logits_[last];
  const int32_t least_id = ids_[last];
  keep_if([&](size_t i) {
    const bool is_above = logits_[i] > least, is_equal = logits_[i] == least, is_later = ids_[i] >= least_id;
    return is_above | (is_equal & is_later);  // No jumps: which tokens stay is hard to predict.
  });
}

void Sampler::keep_min_p() {
  const double total = total_weight_, least = parameters_.min_p * (highest(weights_) / total);
  keep_if([&](size_t i) { return weights_[i] / total >= least; });
}

// Meister et al., Locally Typical Sampling, 2022: tokens by how far their surprise is from the expected one.
void Sampler::keep_typical_p() {
  const double total = total_weight_, log_total = log_sum_ + std::log(total);
  double entropy = 0;
  for (size_t i = 0; i < ids_.size(); ++i) entropy += weights_[i] / total * (log_total - logits_[i]);
  keys_.resize(ids_.size());
  for (size_t i = 0; i < ids_.size(); ++i) keys_[i] = std::abs(log_total - logits_[i] - entropy);
  const double farthest =
      keys_[first_reaching(keys_, [&](double sum) { return sum / total >= parameters_.typical_p; })];
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

// The first candidate, in rising order of key and then index, at which the running sum of weights satisfies
// is_reached; the last one if none does. A sort would answer too, in ten times the time: instead the keys
// fall into bins, and only the bin where the sum passes, the border, is looked at closer.
template <class Reached>
size_t Sampler::first_reaching(const std::vector<double>& all_keys, const Reached& is_reached) {
  constexpr size_t kFew = 64;
  constexpr int32_t kBins = 2048;
  std::span<const double> keys = all_keys, weights = weights_;
  border_.keys.resize(keys.size());
  border_.weights.resize(keys.size());
  border_.indices.resize(keys.size());
  border_.bins.resize(keys.size());
  std::iota(border_.indices.begin(), border_.indices.end(), 0);
  double below = 0;  // The weight of everything under the border.
  while (keys.size() > kFew) {
    const size_t size = keys.size();
    const double low = lowest(keys), scale = (kBins - 1) / (highest(keys) - low);
    if (!std::isfinite(scale)) break;  // All the same.
    for (size_t i = 0; i < size; ++i) border_.bins[i] = static_cast<int32_t>((keys[i] - low) * scale);
    bin_weights_.assign(kBins, 0.0);
    for (size_t i = 0; i < size; ++i) bin_weights_[static_cast<size_t>(border_.bins[i])] += weights[i];
    int32_t passing = 0;
    while (passing < kBins - 1 && !is_reached(below + bin_weights_[static_cast<size_t>(passing)]))
      below += bin_weights_[static_cast<size_t>(passing++)];
    size_t kept = 0;
    for (size_t i = 0; i < size; ++i) {
      border_.keys[kept] = keys[i];
      border_.weights[kept] = weights[i];
      border_.indices[kept] = border_.indices[i];
      kept += border_.bins[i] == passing ? 1 : 0;
    }
    keys = std::span(border_.keys).first(kept);
    weights = std::span(border_.weights).first(kept);
    if (kept == size) break;
  }
  std::vector<size_t> order(keys.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(),
            [&](size_t a, size_t b) { return keys[a] != keys[b] ? keys[a] < keys[b] : a < b; });
  size_t last = order.front();
  for (const size_t i : order) {
    last = i;
    if (is_reached(below += weights[i])) break;
  }
  return static_cast<size_t>(border_.indices[last]);
}

}  // namespace poro
