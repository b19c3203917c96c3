// Text to token ids and back for byte-level BPE: the ids of the Rust `tokenizers` library for the same
// tokenizer.json, on every text. Encoding is: find added tokens, normalize, cut into pieces, encode each
// piece. A table of short pieces seen before, one per thread, answers most of them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "text/added_tokens.h"

namespace poro {

struct TokenizerParts;

enum class SkipSpecial { kNo, kYes };

class Tokenizer {
 public:
  // A folder with tokenizer.json (or tokenizer.model in Meta's rank format), or one of these files. Throws
  // Error.
  static Tokenizer load(const std::filesystem::path& folder_or_file);
  // The same from what the files hold.
  static Tokenizer from_json(std::string_view tokenizer_json);
  explicit Tokenizer(TokenizerParts parts);

  ~Tokenizer();
  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;

  // No begin-of-text token is added. Invalid UTF-8 counts as U+FFFD. Safe from many threads at once.
  std::vector<int32_t> encode(std::string_view text, SpecialTokens special = SpecialTokens::kRecognise) const;
  // Invalid UTF-8 becomes U+FFFD. Throws Error for an id that is no token.
  std::string decode(std::span<const int32_t> ids, SkipSpecial skip = SkipSpecial::kNo) const;

  // The raw bytes of a token, perhaps part of a character. Throws Error for an id that is no token.
  std::string_view token_bytes(int32_t id) const;
  // The id of an added token by its text, or of an ordinary one by its bytes.
  std::optional<int32_t> token_id(std::string_view token) const;
  bool is_special(int32_t id) const;
  int32_t vocab_size() const;  // One more than the highest id.
  // From the post-processor, else from the tokenizer_config.json beside the file.
  std::optional<int32_t> bos_id() const;

 private:
  struct State;
  std::unique_ptr<const State> state_;
};

// Decodes a stream of ids: never half a UTF-8 character, and in total the text that `decode` gives.
class TextStream {
 public:
  explicit TextStream(const Tokenizer& tokenizer, SkipSpecial skip = SkipSpecial::kNo)
      : tokenizer_(&tokenizer), skip_(skip) {}

  // The text that `id` completes.
  std::string push(int32_t id);
  // The rest; a character cut short becomes U+FFFD.
  std::string finish();

 private:
  const Tokenizer* tokenizer_;
  SkipSpecial skip_;
  std::string pending_;
};

}  // namespace poro
