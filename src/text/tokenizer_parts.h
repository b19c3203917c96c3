// What a tokenizer is made of, as a file describes it: read by tokenizer_json and rank_file, assembled by
// Tokenizer.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "text/added_tokens.h"
#include "text/bpe.h"
#include "text/normalizer.h"
#include "text/pre_tokenizer.h"
#include "text/vocabulary.h"

namespace poro {

struct TokenizerParts {
  Vocabulary vocabulary;  // Ordinary tokens, in raw bytes.
  struct ForeignToken {
    std::string text;
    int32_t id;
  };
  std::vector<ForeignToken>
      foreign;  // Tokens of the vocabulary outside the byte-level alphabet; no text becomes them.
  std::vector<Merge> merges;  // In the order of their rank.
  MissingBytes missing;
  Bpe::WholePieces whole_pieces = Bpe::WholePieces::kMerge;
  std::vector<AddedToken> added;   // In the order of the file, ids still to be given,
  std::vector<int32_t> added_ids;  // and what the file says they are.
  std::vector<Normalizer> normalizers;
  bool normalizes_to_mapped_bytes = false;
  std::vector<PreTokenizerStep> pre_tokenizer;
  std::string bos_token;  // Empty: none.
};

// Both throw Error, a sentence that begins with `name`.
TokenizerParts parse_tokenizer_json(std::string_view json, std::string_view name);
TokenizerParts parse_rank_file(std::string_view text, std::string_view name);

// The bos_token of a tokenizer_config.json; empty if it names none.
std::string parse_bos_token(std::string_view json, std::string_view name);

}  // namespace poro
