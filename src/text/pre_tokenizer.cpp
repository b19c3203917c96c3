#include "text/pre_tokenizer.h"

#include <algorithm>

#include "base/error.h"
#include "text/byte_level.h"
#include "text/unicode.h"

namespace poro {
namespace {

template <KnownPattern pattern>
void find_known(std::string_view text, std::vector<PatternMatch>& parts) {
  size_t start = 0;
  for (Scanner<pattern> scanner(text); !scanner.is_done();) {
    const size_t end = start + scanner.next().size();
    parts.push_back({start, end, true});
    start = end;
  }
}

// Joins matches with their neighbours as the behavior asks; `is_match` then means: leave this part out.
void apply(SplitBehavior behavior, std::vector<PatternMatch>& parts) {
  if (behavior == SplitBehavior::kRemoved) return;
  const bool is_backwards = behavior == SplitBehavior::kMergedWithNext;
  if (is_backwards) std::reverse(parts.begin(), parts.end());
  size_t kept = 0;
  bool was_match = false;
  for (const PatternMatch part : parts) {
    const bool joins = behavior == SplitBehavior::kContiguous ? part.is_match == was_match
                       : behavior == SplitBehavior::kIsolated ? false
                                                              : part.is_match && !was_match;
    was_match = part.is_match;
    if (joins && kept > 0) {
      PatternMatch& last = parts[kept - 1];
      (is_backwards ? last.start : last.end) = is_backwards ? part.start : part.end;
    } else {
      parts[kept++] = {part.start, part.end, false};
    }
  }
  parts.resize(kept);
  if (is_backwards) std::reverse(parts.begin(), parts.end());
}

void run_step(const SplitStep& step, Pieces& pieces) {
  for (const std::string_view text : pieces.spare) {
    pieces.matches.clear();
    step.find(text, pieces.matches);
    if (step.is_inverted)
      for (PatternMatch& part : pieces.matches) part.is_match = !part.is_match;
    apply(step.behavior, pieces.matches);
    for (const PatternMatch& part : pieces.matches)
      if (!part.is_match && part.end > part.start)
        pieces.texts.push_back(text.substr(part.start, part.end - part.start));
  }
}

void run_step(const FixedLengthStep& step, Pieces& pieces) {
  for (const std::string_view text : pieces.spare) {
    const char* at = text.data();
    const char* const end = at + text.size();
    while (at < end) {
      const char* start = at;
      for (size_t i = 0; i < step.num_characters && at < end; ++i) next_code_point(at);
      pieces.texts.emplace_back(start, static_cast<size_t>(at - start));
    }
  }
}

void run_step(const PrefixSpaceStep&, Pieces& pieces) {
  for (const std::string_view text : pieces.spare)
    pieces.texts.push_back(text.starts_with(' ') ? text : pieces.buffers.emplace_back(" ").append(text));
}

void run_step(const MapBytesStep&, Pieces& pieces) {
  for (const std::string_view text : pieces.spare)
    pieces.texts.push_back(pieces.buffers.emplace_back(ByteAlphabet::get().to_text(text)));
}

}  // namespace

SplitStep known_pattern_step(KnownPattern pattern) {
  SplitStep step;
  step.pattern = pattern;
  switch (pattern) {
    case KnownPattern::kLlama3:
      step.find = find_known<KnownPattern::kLlama3>;
      break;
    case KnownPattern::kQwen2:
      step.find = find_known<KnownPattern::kQwen2>;
      break;
    case KnownPattern::kGpt2:
      step.find = find_known<KnownPattern::kGpt2>;
      break;
  }
  return step;
}

PreTokenizer::PreTokenizer(std::vector<PreTokenizerStep> steps, Input input) : steps_(std::move(steps)) {
  const auto num_maps = std::count_if(steps_.begin(), steps_.end(), [](const auto& step) {
    return std::holds_alternative<MapBytesStep>(step);
  });
  if (num_maps + (input == Input::kMapped ? 1 : 0) != 1)
    fail("the tokenizer maps bytes {} times; only byte-level tokenizers, which do so once, are supported",
         num_maps + (input == Input::kMapped ? 1 : 0));
  bool is_mapped = input == Input::kMapped;
  for (const PreTokenizerStep& step : steps_) {
    if (is_mapped && std::holds_alternative<PrefixSpaceStep>(step))
      fail("a pre-tokenizer that adds a space to mapped bytes is not supported");
    is_mapped = is_mapped || std::holds_alternative<MapBytesStep>(step);
  }
  // Mapping in the last step would only be undone again.
  if (!steps_.empty() && std::holds_alternative<MapBytesStep>(steps_.back()))
    steps_.pop_back();
  else
    is_mapped_at_end_ = true;
  if (steps_.size() == 1 && !is_mapped_at_end_) {
    const auto* step = std::get_if<SplitStep>(&steps_[0]);
    // The known patterns match every character, so these two come to the same.
    const bool keeps_matches =
        step != nullptr && (step->behavior == SplitBehavior::kIsolated ||
                            (step->behavior == SplitBehavior::kRemoved && step->is_inverted));
    if (keeps_matches) known_ = step->pattern;
  }
}

void PreTokenizer::split(std::string_view text, Pieces& pieces) const {
  pieces.texts.clear();
  pieces.buffers.clear();
  if (!text.empty()) pieces.texts.push_back(text);
  for (const PreTokenizerStep& step : steps_) {
    std::swap(pieces.texts, pieces.spare);
    pieces.texts.clear();
    std::visit([&](const auto& s) { run_step(s, pieces); }, step);
  }
  if (!is_mapped_at_end_) return;
  for (std::string_view& piece : pieces.texts) {
    auto bytes = ByteAlphabet::get().to_bytes(piece);
    CHECK(bytes.has_value(), "a piece of mapped text holds a character outside the byte-level alphabet");
    piece = pieces.buffers.emplace_back(std::move(*bytes));
  }
}

}  // namespace poro
