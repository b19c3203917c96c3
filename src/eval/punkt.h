// Sentences as NLTK's Punkt cuts them. A period ends a sentence unless the word before it is a known
// abbreviation, an initial or a number, and then what is known of the next word decides. Kiss and Strunk,
// Unsupervised multilingual sentence boundary detection, Computational Linguistics 32, 2006.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "eval/pattern.h"

namespace poro {

// What training found out about a language. Word types are lower case; every number is "##number##".
struct PunktModel {
  // How a word type was seen: by place in the sentence and case of its first letter.
  enum Context : int { kMiddleUpper = 4, kAnyUpper = 2 | 4 | 8, kStartLower = 16, kAnyLower = 16 | 32 | 64 };

  std::unordered_set<std::string> abbreviations;  // Without the last period.
  std::unordered_set<std::string> collocations;   // "first,second": a period between the two ends nothing.
  std::unordered_set<std::string> sentence_starters;
  std::unordered_map<std::string, int> contexts;  // Bits of Context.
};

// Reads the JSON form {AbbrevTypes, Collocations, SentStarters, OrthoContext}. Throws Error.
PunktModel load_punkt_model(const std::filesystem::path& path);

class Punkt {
 public:
  explicit Punkt(PunktModel model);

  // The sentences of `text`, as PunktSentenceTokenizer.tokenize returns them.
  std::vector<std::string_view> sentences(std::string_view text) const;

 private:
  struct Token;
  // A possible end of a sentence: the mark itself, where the next sentence would begin, and the text around
  // it that decides.
  struct Candidate {
    size_t end, next_begin;
    std::string_view context;
  };

  std::vector<Candidate> candidates(std::string_view text) const;
  std::vector<Token> tokens(std::string_view context) const;
  bool ends_sentence(std::string_view context) const;
  void judge(Token& token, const Token& next) const;
  enum class Start { kYes, kNo, kUnknown };
  Start starts_sentence(const Token& token) const;
  int context_of(const std::string& type) const;

  PunktModel model_;
  Pattern word_, candidate_, closing_, numeric_, initial_;
};

}  // namespace poro
