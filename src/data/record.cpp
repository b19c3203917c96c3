#include "data/record.h"

#include <simdjson.h>

#include <limits>

#include "base/error.h"
#include "base/json.h"
#include "data/line_reader.h"

namespace poro {
namespace {

namespace dom = simdjson::dom;

static_assert(LineBlock::kPadding >= simdjson::SIMDJSON_PADDING);

RecordJson to_json(const dom::element& element) {
  switch (element.type()) {
    case dom::element_type::ARRAY: {
      RecordJson array = RecordJson::array();
      for (const dom::element child : dom::array(element)) array.push_back(to_json(child));
      return array;
    }
    case dom::element_type::OBJECT: {
      RecordJson object = RecordJson::object();
      for (const auto [key, value] : dom::object(element)) object[std::string(key)] = to_json(value);
      return object;
    }
    case dom::element_type::INT64:
      return int64_t(element);
    case dom::element_type::UINT64:
      return uint64_t(element);
    case dom::element_type::DOUBLE:
      return double(element);
    case dom::element_type::STRING:
      return std::string(std::string_view(element));
    case dom::element_type::BOOL:
      return bool(element);
    case dom::element_type::NULL_VALUE:
      return nullptr;
  }
  return nullptr;
}

// The field, or nothing when it is absent or null.
std::optional<dom::element> find(const dom::object& object, std::string_view name) {
  dom::element element;
  if (object[name].get(element) != simdjson::SUCCESS || element.is_null()) return std::nullopt;
  return element;
}

dom::element required(const dom::object& object, std::string_view name) {
  const auto element = find(object, name);
  if (!element) fail("\"{}\" is missing", name);
  return *element;
}

std::vector<int32_t> integers(const dom::element& element, std::string_view name, int32_t low) {
  dom::array array;
  if (element.get(array) != simdjson::SUCCESS) fail("\"{}\" is not an array of token ids", name);
  std::vector<int32_t> values;
  values.reserve(array.size());
  for (const dom::element child : array) {
    int64_t value = 0;
    if (child.get(value) != simdjson::SUCCESS || value < low || value > std::numeric_limits<int32_t>::max())
      fail("\"{}\" holds {} at index {}, which is no token id", name, quote(simdjson::minify(child)),
           values.size());
    values.push_back(static_cast<int32_t>(value));
  }
  return values;
}

RecordJson messages_of(const dom::element& element, std::string_view name) {
  RecordJson messages = to_json(element);
  if (!messages.is_array() || messages.empty()) fail("\"{}\" is not a list of messages", name);
  for (const RecordJson& message : messages)
    if (!message.is_object() || !message.contains("role") || !message["role"].is_string())
      fail("\"{}\" holds a message without a \"role\"", name);
  return messages;
}

RecordJson text_or_messages(const dom::element& element, std::string_view name) {
  if (element.is_string()) return std::string(std::string_view(element));
  if (element.is_object()) return RecordJson::array({to_json(element)});
  return messages_of(element, name);
}

constexpr int32_t kUncounted = -100;

TokenRecord token_record(const dom::object& object) {
  TokenRecord record{.ids = integers(required(object, "input_ids"), "input_ids", 0), .labels = {}};
  const auto labels = find(object, "labels");
  if (!labels) return record;
  record.labels = integers(*labels, "labels", kUncounted);
  if (record.labels.size() != record.ids.size())
    fail("{} labels for {} input_ids; there is one label for each token", record.labels.size(),
         record.ids.size());
  for (size_t i = 0; i < record.ids.size(); ++i)
    if (record.labels[i] != kUncounted && record.labels[i] != record.ids[i])
      fail(
          "labels[{}] is {} where input_ids[{}] is {}; a label is the token itself, or -100 where it does "
          "not count",
          i, record.labels[i], i, record.ids[i]);
  return record;
}

PreferenceRecord preference_record(const dom::object& object) {
  PreferenceRecord record{.prompt = text_or_messages(required(object, "prompt"), "prompt"),
                          .chosen = text_or_messages(required(object, "chosen"), "chosen"),
                          .rejected = text_or_messages(required(object, "rejected"), "rejected")};
  if (const auto tools = find(object, "tools")) record.tools = to_json(*tools);
  return record;
}

}  // namespace

struct RecordParser::State {
  dom::parser parser;
};

RecordParser::RecordParser() : state_(std::make_unique<State>()) {}
RecordParser::~RecordParser() = default;
RecordParser::RecordParser(RecordParser&&) noexcept = default;

Record RecordParser::parse(std::string_view line) {
  dom::element element;
  // The copy that simdjson would make is not needed: a block has its padding.
  const auto error = state_->parser.parse(line.data(), line.size(), /*realloc_if_needed=*/false).get(element);
  if (error != simdjson::SUCCESS) fail("not JSON: {}", simdjson::error_message(error));
  dom::object object;
  if (element.get(object) != simdjson::SUCCESS) fail("not a JSON object");

  Record record;
  for (const char* name : {"lang", "language"})
    if (const auto language = find(object, name); language && language->is_string())
      record.language = std::string(std::string_view(*language));
  if (const auto text = find(object, "text")) {
    if (!text->is_string()) fail("\"text\" is not a string");
    record.content = TextRecord{std::string(std::string_view(*text))};
  } else if (const auto messages = find(object, "messages")) {
    ConversationRecord conversation{.messages = messages_of(*messages, "messages")};
    if (const auto tools = find(object, "tools")) conversation.tools = to_json(*tools);
    record.content = std::move(conversation);
  } else if (find(object, "input_ids")) {
    record.content = token_record(object);
  } else if (find(object, "prompt_ids")) {
    record.content =
        PreferenceTokenRecord{.prompt = integers(*find(object, "prompt_ids"), "prompt_ids", 0),
                              .chosen = integers(required(object, "chosen_ids"), "chosen_ids", 0),
                              .rejected = integers(required(object, "rejected_ids"), "rejected_ids", 0)};
  } else if (find(object, "prompt")) {
    record.content = preference_record(object);
  } else {
    fail("none of the keys \"text\", \"messages\", \"prompt\", \"input_ids\", \"prompt_ids\" is there");
  }
  return record;
}

}  // namespace poro
