// Cuts text into the pieces that are encoded one by one. A pre-tokenizer is a list of steps; each cuts every
// piece of the step before.
#pragma once

#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "text/scanner.h"

namespace poro {

// What a Split does with the parts that its pattern finds, and with the parts between them.
enum class SplitBehavior { kIsolated, kRemoved, kContiguous, kMergedWithPrevious, kMergedWithNext };

struct PatternMatch {
  size_t start, end;
  bool is_match;
};
// Appends the parts of a text in order, those that match and those between; together they are the text.
using PatternFinder = std::function<void(std::string_view text, std::vector<PatternMatch>& parts)>;

struct SplitStep {
  PatternFinder find = {};
  SplitBehavior behavior = SplitBehavior::kIsolated;
  bool is_inverted = false;                  // The parts between are the matches.
  std::optional<KnownPattern> pattern = {};  // Where `find` is one of the hand-written scanners.
};
struct FixedLengthStep {
  size_t num_characters;
};
struct PrefixSpaceStep {};  // A space before every piece that has none.
struct MapBytesStep {};     // Bytes become characters of the byte-level alphabet; later steps see those.
using PreTokenizerStep = std::variant<SplitStep, FixedLengthStep, PrefixSpaceStep, MapBytesStep>;

SplitStep known_pattern_step(KnownPattern pattern);

// The pieces of one text, and the buffers they lie in where they are not parts of it.
struct Pieces {
  std::vector<std::string_view> texts;
  std::deque<std::string> buffers;
  std::vector<std::string_view> spare;
  std::vector<PatternMatch> matches;
};

class PreTokenizer {
 public:
  enum class Input {
    kBytes,
    kMapped
  };  // kMapped: the normalizer has already put the byte-level alphabet for the bytes.

  // Throws Error if the bytes are mapped twice, or never.
  PreTokenizer(std::vector<PreTokenizerStep> steps, Input input);

  // The one scanner that is the whole pre-tokenizer, if it is.
  std::optional<KnownPattern> known_pattern() const { return known_; }
  // Fills pieces.texts with the pieces of valid UTF-8 in raw bytes.
  void split(std::string_view text, Pieces& pieces) const;

 private:
  std::vector<PreTokenizerStep> steps_;
  std::optional<KnownPattern> known_;
  bool is_mapped_at_end_ = false;
};

}  // namespace poro
