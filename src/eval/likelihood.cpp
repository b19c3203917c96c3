#include "eval/likelihood.h"

#include <numeric>

#include "base/error.h"

namespace poro {

Likelihood::Likelihood(Llama& model, const Tokenizer& tokenizer, int64_t context)
    : tokenizer_(tokenizer), context_(static_cast<size_t>(context)), scorer_(model, context) {}

std::vector<int32_t> Likelihood::with_bos(const std::string& text) const {
  std::vector<int32_t> ids = tokenizer_.encode(text);
  const std::optional<int32_t> bos = tokenizer_.bos_id();
  if (bos && (ids.empty() || ids.front() != *bos)) ids.insert(ids.begin(), *bos);
  return ids;
}

std::vector<double> Likelihood::operator()(const std::string& text,
                                           std::span<const std::string> continuations) {
  const size_t end = text.find_last_not_of(' ') + 1;  // 0 where all is space.
  const size_t known = std::max<size_t>(with_bos(text.substr(0, end)).size(), 1);
  std::vector<std::vector<int32_t>> wholes;
  std::vector<size_t> counted;
  for (const std::string& continuation : continuations) {
    std::vector<int32_t> whole = with_bos(text + continuation);
    if (whole.size() <= known)
      fail("the answer \"{}\" is no token of its own after its question", continuation);
    counted.push_back(whole.size() - known);
    if (whole.size() > context_)
      whole.erase(whole.begin(), whole.end() - static_cast<std::ptrdiff_t>(context_));
    wholes.push_back(std::move(whole));
  }
  std::vector<double> sums;
  for (const std::vector<double>& scores : scorer_.score_together(wholes)) {
    const size_t count = std::min(counted[sums.size()], scores.size());
    sums.push_back(std::accumulate(scores.end() - static_cast<std::ptrdiff_t>(count), scores.end(), 0.0));
  }
  return sums;
}

Likelihood::Sum Likelihood::whole(const std::string& text) {
  const std::vector<double> scores = scorer_.score_in_windows(with_bos(text));
  return {.log_prob = std::accumulate(scores.begin(), scores.end(), 0.0),
          .tokens = std::ssize(scores),
          .bytes = std::ssize(text)};
}

}  // namespace poro
