// One line of a training file as what it is: a text, a conversation, a preference, or tokens that someone
// else made.
//
//   {"text": "..."}                                           {"input_ids": [...], "labels": [...]}     -100:
//   not counted
//   {"messages": [...], "tools": [...]}                       {"prompt_ids": [...], "chosen_ids": [...],
//   "rejected_ids": [...]}
//   {"prompt": ..., "chosen": ..., "rejected": ...}           each a text, or messages
//
// Further keys are ignored, but for "lang" or "language", by which the statistics are told apart.
#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace poro {

using RecordJson = nlohmann::ordered_json;

struct TextRecord {
  std::string text;
};
struct ConversationRecord {
  RecordJson messages;  // An array of objects
  RecordJson tools = nullptr;
};
// prompt: a string or an array of messages. chosen and rejected: a string each, or the messages of the
// answer.
struct PreferenceRecord {
  RecordJson prompt, chosen, rejected;
  RecordJson tools = nullptr;
};
struct TokenRecord {
  std::vector<int32_t> ids;
  std::vector<int32_t>
      labels;  // As many as ids, or none: loss_on decides. A label is the token itself or -100.
};
struct PreferenceTokenRecord {
  std::vector<int32_t> prompt, chosen, rejected;
};

struct Record {
  std::variant<TextRecord, ConversationRecord, PreferenceRecord, TokenRecord, PreferenceTokenRecord> content;
  std::string language;  // Empty where the line does not say.

  bool is_pair() const {
    return std::holds_alternative<PreferenceRecord>(content) ||
           std::holds_alternative<PreferenceTokenRecord>(content);
  }
};

// Reads lines; one per thread.
class RecordParser {
 public:
  RecordParser();
  ~RecordParser();
  RecordParser(RecordParser&&) noexcept;

  // `line` has LineBlock::kPadding readable bytes after it. Throws Error that says what is wrong, without the
  // place.
  Record parse(std::string_view line);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace poro
