// Tokens that are found in the text before it is cut into pieces: control tokens such as <|eot_id|>, and
// words added to a vocabulary later. Follows the Rust reference: the leftmost longest match counts, and one
// that its flags reject still consumes its text.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace poro {

enum class SpecialTokens {
  kRecognise,
  kPlain
};  // Does the text of a special token in the input become its id?

struct AddedToken {
  std::string content;
  bool is_single_word = false;      // Only where no word character touches it.
  bool strips_left = false;         // Takes the white space before it,
  bool strips_right = false;        // and after it.
  bool matches_normalized = false;  // Looked for in the normalized text.
  bool is_special = false;          // Left out when decoding without special tokens.

  bool operator==(const AddedToken&) const = default;
};

// Looks for a set of added tokens.
class AddedTokenFinder {
 public:
  struct Part {
    std::string_view text;
    int32_t id;  // -1: ordinary text
  };

  void add(std::string_view pattern, AddedToken token, int32_t id);
  bool is_empty() const { return tokens_.empty(); }
  // Appends the parts of `text` in order. White space that a token strips is part of the token.
  void split(std::string_view text, SpecialTokens special, std::vector<Part>& parts) const;

 private:
  struct Pattern {
    AddedToken token;
    int32_t id;
  };
  struct Match {
    size_t start, end;
    int32_t token;  // index into tokens_; -1: none
  };
  int32_t child(int32_t node, unsigned char byte) const;
  Match find(std::string_view text, size_t from) const;

  std::vector<Pattern> tokens_;
  std::vector<int32_t> token_at_node_ = {-1};       // The trie: index into tokens_, or -1.
  std::unordered_map<uint64_t, int32_t> children_;  // node << 8 | byte -> node
  std::array<int32_t, 256> first_ = [] {
    std::array<int32_t, 256> none;
    none.fill(-1);
    return none;
  }();
  int num_first_ = 0;
  char only_first_ = 0;  // The first byte of every token, where there is but one.
};

}  // namespace poro
