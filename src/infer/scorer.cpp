#include "infer/scorer.h"

#include <algorithm>

#include "base/error.h"

namespace poro {

Scorer::Scorer(Llama& model, int64_t context) : model_(model), cache_(model.make_cache(1, context)) {
  if (context < 2) fail("a context of {} leaves no token to score; use at least 2", context);
}

void Scorer::check_vocabulary(std::span<const int32_t> ids) const {
  const int64_t vocab_size = model_.config().vocab_size;
  for (size_t i = 0; i < ids.size(); ++i)
    if (ids[i] < 0 || ids[i] >= vocab_size)
      fail(
          "token {} at index {} is outside the model's vocabulary of {}; do tokenizer and model belong "
          "together?",
          ids[i], i, vocab_size);
}

std::vector<double> Scorer::score_window(std::span<const int32_t> ids) {
  cache_.truncate(0, 0);
  return score_from(ids, 1);
}

std::vector<double> Scorer::score_from(std::span<const int32_t> ids, size_t first) {
  std::vector<double> scores;
  // The last token is a target only.
  for (size_t done = first - 1; done + 1 < ids.size();) {
    const size_t count = std::min<size_t>(ids.size() - 1 - done, static_cast<size_t>(model_.max_tokens()));
    const SequenceTokens batch[] = {{.sequence = 0, .ids = ids.subspan(done, count)}};
    const Tensor hidden = model_.forward(batch, cache_);
    const std::vector<double> chunk = model_.log_probs(hidden, ids.subspan(done + 1, count));
    scores.insert(scores.end(), chunk.begin(), chunk.end());
    done += count;
  }
  return scores;
}

void Scorer::check(std::span<const int32_t> ids) const {
  check_vocabulary(ids);
  if (std::ssize(ids) > cache_.max_positions())
    fail(
        "the text has {} tokens, and the context holds {}; shorten it, or use --perplexity, which moves a "
        "window over long texts",
        ids.size(), cache_.max_positions());
}

std::vector<double> Scorer::score(std::span<const int32_t> ids) {
  check(ids);
  return score_window(ids);
}

std::vector<std::vector<double>> Scorer::score_together(std::span<const std::vector<int32_t>> texts) {
  if (texts.empty()) return {};
  size_t num_shared = texts[0].size();
  for (const std::vector<int32_t>& ids : texts) {
    check(ids);
    const auto differ = std::mismatch(ids.begin(), ids.end(), texts[0].begin(), texts[0].end()).first;
    num_shared = std::min(num_shared, static_cast<size_t>(differ - ids.begin()));
  }
  const std::span<const int32_t> start = std::span(texts[0]).first(num_shared);
  const std::vector<double> shared = score_window(start);
  std::vector<std::vector<double>> all;
  for (const std::vector<int32_t>& ids : texts) {
    // The last shared token is fed again, as its next one differs.
    const size_t first = std::max<size_t>(num_shared, 1);
    cache_.truncate(0, static_cast<int64_t>(first - 1));
    std::vector<double> scores = shared;
    const std::vector<double> own = score_from(ids, first);
    scores.insert(scores.end(), own.begin(), own.end());
    all.push_back(std::move(scores));
  }
  return all;
}

std::vector<double> Scorer::score_in_windows(std::span<const int32_t> ids) {
  check_vocabulary(ids);
  const size_t window = static_cast<size_t>(cache_.max_positions()), step = std::max<size_t>(window / 2, 1);
  std::vector<double> scores = score_window(ids.first(std::min(window, ids.size())));
  for (size_t begin = step; scores.size() + 1 < ids.size(); begin += step) {
    const size_t end = std::min(begin + window, ids.size());
    const std::vector<double> all = score_window(ids.subspan(begin, end - begin));
    const size_t fresh = end - 1 - scores.size();
    scores.insert(scores.end(), all.end() - static_cast<std::ptrdiff_t>(fresh), all.end());
  }
  return scores;
}

}  // namespace poro
