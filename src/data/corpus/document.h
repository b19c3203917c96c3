// One line of a corpus on its way through the steps of `poro data`: the JSON object as it came, and the texts
// in it that people read. A step changes the texts, or says why the line goes.
//
//   {"text": ...}   {"messages": [{"role": ..., "content": ...}, ...]}   {"prompt": ..., "chosen": ...,
//   "rejected": ...}
//
// Further keys pass through; "lang" (or "language") and "source" tell statistics apart.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "data/record.h"

namespace poro {

struct Document {
  RecordJson fields;
  std::string removed;                // Why it goes, in a word or two; empty: it stays.
  std::vector<uint64_t> fingerprint;  // Whatever a step computes before it decides.
  int part = 0;                       // Of the outputs, the one it goes to.
};

// Throws Error that says what is wrong with the line, without its place.
Document parse_document(std::string_view line);

// The texts of a document, to read or to change, in order: what the roles of a conversation say, the prompt
// and both answers.
std::vector<std::string*> texts_of(Document& document);
// The same as one text, a blank line between two.
std::string joined_text(const Document& document);
std::string language_of(const Document& document);  // "" where the line does not say
std::string source_of(const Document& document);    // "" where the line does not say

// Words are runs of letters, marks and numbers, in lower case, as UTF-8: what n-grams of several steps are
// made of.
std::vector<std::string> words_of(std::string_view text);

// A good 64-bit hash of bytes, the same on every machine. FNV-1a's bytes, finished by the mixer of
// SplitMix64.
uint64_t hash_bytes(std::string_view bytes, uint64_t seed = 0);
uint64_t mix_hash(uint64_t value);

}  // namespace poro
