// Records to token rows: a row is the ids of one document, conversation or answer, with a mark on every token
// that the loss counts. A preference makes two rows, chosen and rejected, each with its prompt in front.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/config.h"
#include "data/record.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace poro {

// A stored token: the id, and the top bit where the loss counts it.
constexpr uint32_t kCountedBit = 0x80000000u;
constexpr int32_t token_id(uint32_t stored) {
  return static_cast<int32_t>(stored & ~kCountedBit);
}
constexpr bool is_counted(uint32_t stored) {
  return (stored & kCountedBit) != 0;
}

enum class LossOn { kAssistant, kAll };
constexpr std::array<Choice<LossOn>, 2> choices(LossOn) {
  return {{{"assistant", LossOn::kAssistant}, {"all", LossOn::kAll}}};
}

// How many begin-of-text tokens stand before a row: one wherever the tokenizer has one; two as tokenizing a
// rendered conversation with special tokens added makes them; none but what the template writes.
enum class BeginToken { kOnce, kTwice, kNone };
constexpr std::array<Choice<BeginToken>, 3> choices(BeginToken) {
  return {{{"once", BeginToken::kOnce}, {"twice", BeginToken::kTwice}, {"none", BeginToken::kNone}}};
}
// Whether the end-of-text token follows a row: after texts only (a conversation ends with its own token),
// always, or never.
enum class EndToken { kTexts, kAlways, kNever };
constexpr std::array<Choice<EndToken>, 3> choices(EndToken) {
  return {{{"texts", EndToken::kTexts}, {"always", EndToken::kAlways}, {"never", EndToken::kNever}}};
}

struct EncoderOptions {
  LossOn loss_on = LossOn::kAssistant;
  BeginToken begin_token = BeginToken::kOnce;
  EndToken end_token = EndToken::kTexts;
};

struct EncodedRow {
  std::vector<uint32_t> tokens = {};  // id | kCountedBit
  int64_t words = 0;  // Runs of characters between white space in the text; 0 for rows that came as ids.
};

class RowEncoder {
 public:
  // `folder` is the model's: its tokenizer and chat template. Without either, rows of ids still pass.
  // `vocab_size` bounds ids.
  RowEncoder(const std::filesystem::path& folder, int64_t vocab_size, const EncoderOptions& options);

  // One row, or two for a preference. Throws Error that says what is wrong, without the place. Safe from many
  // threads.
  std::vector<EncodedRow> encode(const Record& record) const;

  // Everything of this encoder that decides what comes out, as text to hash.
  std::string identity() const;

 private:
  EncodedRow encode(const TextRecord& record) const;
  EncodedRow encode(const ConversationRecord& record) const;
  EncodedRow encode(const TokenRecord& record) const;
  std::vector<EncodedRow> encode(const PreferenceRecord& record) const;
  std::vector<EncodedRow> encode(const PreferenceTokenRecord& record) const;

  EncodedRow answered_row(const PreferenceRecord& record, const RecordJson& answer) const;
  EncodedRow answered_conversation(const PreferenceRecord& record, const RecordJson& answer) const;
  EncodedRow row_of_spans(const Rendered& rendered) const;
  enum class Form { kText, kConversation, kAnswer };  // An answer to a prompt that came as text.
  void add_ends(EncodedRow& row, Form form) const;
  const Tokenizer& text_tokenizer() const;
  const ChatTemplate& conversation_template() const;
  void check_ids(const std::vector<int32_t>& ids, const char* name) const;

  std::string folder_;
  int64_t vocab_size_;
  EncoderOptions options_;
  std::string tokenizer_digest_;
  std::optional<Tokenizer> tokenizer_;
  std::optional<ChatTemplate> template_;
  std::string no_template_;  // Why there is none.
  std::optional<int32_t> bos_, eos_;
};

}  // namespace poro
