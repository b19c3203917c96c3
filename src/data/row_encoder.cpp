#include "data/row_encoder.h"

#include <algorithm>
#include <array>

#include "base/digest.h"
#include "base/error.h"
#include "base/file.h"
#include "data/assistant_spans.h"

namespace poro {
namespace {

namespace fs = std::filesystem;

int64_t count_words(std::string_view text) {
  int64_t words = 0;
  bool is_inside = false;
  for (const char c : text) {
    const bool is_space = c == ' ' || (c >= '\t' && c <= '\r');
    words += !is_space && !is_inside ? 1 : 0;
    is_inside = !is_space;
  }
  return words;
}

uint32_t stored(int32_t id, bool counts) {
  return static_cast<uint32_t>(id) | (counts ? kCountedBit : 0);
}

// The files that decide how text becomes ids.
constexpr std::array<const char*, 5> kTextFiles = {"tokenizer.json", "tokenizer.model",
                                                   "tokenizer_config.json", "chat_template.jinja",
                                                   "chat_template.json"};

RecordJson answer_messages(const RecordJson& answer) {
  if (answer.is_string()) return RecordJson::array({{{"role", "assistant"}, {"content", answer}}});
  return answer;
}

}  // namespace

RowEncoder::RowEncoder(const fs::path& folder, int64_t vocab_size, const EncoderOptions& options)
    : folder_(folder.string()), vocab_size_(vocab_size), options_(options) {
  for (const char* name : kTextFiles)
    if (fs::exists(folder / name))
      tokenizer_digest_ += fmt::format("{} {}\n", name, sha256_of_file(folder / name));
  if (!fs::exists(folder / "tokenizer.json") && !fs::exists(folder / "tokenizer.model")) return;
  tokenizer_ = Tokenizer::load(folder);
  bos_ = tokenizer_->bos_id();
  const RecordJson variables = ChatTemplate::token_variables(folder);
  if (variables.contains("eos_token") && variables["eos_token"].is_string())
    eos_ = tokenizer_->token_id(variables["eos_token"].get<std::string>());
  try {
    template_ = ChatTemplate::load(folder);
  } catch (const Error& error) {  // A base model has none, or it does not parse; a conversation will say so.
    no_template_ = error.what();
  }
}

std::string RowEncoder::identity() const {
  return fmt::format("row encoder 1\n{}loss_on {}\nbegin_token {}\nend_token {}\nvocabulary {}\n",
                     tokenizer_digest_, choice_name(options_.loss_on), choice_name(options_.begin_token),
                     choice_name(options_.end_token), vocab_size_);
}

const Tokenizer& RowEncoder::text_tokenizer() const {
  if (!tokenizer_)
    fail("it is text, and {} has no tokenizer; give rows of ids, or a model folder with tokenizer.json",
         folder_);
  return *tokenizer_;
}

const ChatTemplate& RowEncoder::conversation_template() const {
  text_tokenizer();
  if (!template_)
    fail("it is a conversation, but {}; model.tokenizer names a folder with tokenizer and template",
         no_template_);
  return *template_;
}

void RowEncoder::check_ids(const std::vector<int32_t>& ids, const char* name) const {
  for (size_t i = 0; i < ids.size(); ++i)
    if (ids[i] >= vocab_size_)
      fail("\"{}\" holds {} at index {}; the vocabulary has {} tokens", name, ids[i], i, vocab_size_);
}

std::vector<EncodedRow> RowEncoder::encode(const Record& record) const {
  return std::visit(
      [&](const auto& content) -> std::vector<EncodedRow> {
        if constexpr (requires(std::vector<EncodedRow> rows) { rows = encode(content); })
          return encode(content);
        else
          return {encode(content)};
      },
      record.content);
}

void RowEncoder::add_ends(EncodedRow& row, Form form) const {
  const bool counts = form != Form::kAnswer && (options_.loss_on == LossOn::kAll || form == Form::kText);
  if (bos_ && options_.begin_token != BeginToken::kNone) {
    const bool has_begin = !row.tokens.empty() && token_id(row.tokens.front()) == *bos_;
    const int wanted = options_.begin_token == BeginToken::kTwice ? 2 : 1;
    row.tokens.insert(row.tokens.begin(), static_cast<size_t>(std::max(0, wanted - (has_begin ? 1 : 0))),
                      stored(*bos_, counts));
  }
  const bool wants_end = options_.end_token == EndToken::kAlways ||
                         (options_.end_token == EndToken::kTexts && form != Form::kConversation);
  if (!wants_end) return;
  if (!eos_)
    fail("{} names no eos_token in tokenizer_config.json to end a row with; set data.end_token = \"never\"",
         folder_);
  row.tokens.push_back(stored(*eos_, true));
}

EncodedRow RowEncoder::encode(const TextRecord& record) const {
  EncodedRow row{.tokens = {}, .words = count_words(record.text)};
  for (const int32_t id : text_tokenizer().encode(record.text)) row.tokens.push_back(stored(id, true));
  if (row.tokens.empty()) return row;
  add_ends(row, Form::kText);
  return row;
}

// A token counts where any of its bytes lies in a span, as transformers marks the assistant's tokens.
EncodedRow RowEncoder::row_of_spans(const Rendered& rendered) const {
  EncodedRow row{.tokens = {}, .words = count_words(rendered.text)};
  const auto& spans = rendered.assistant_spans;
  size_t at = 0, span = 0;
  const auto append = [&](std::string_view text) {
    for (const int32_t id : tokenizer_->encode(text)) {
      const size_t end = at + tokenizer_->token_bytes(id).size();
      while (span < spans.size() && spans[span].second <= at) ++span;
      row.tokens.push_back(stored(id, span < spans.size() && spans[span].first < end));
      at = end;
    }
  };
  append(rendered.text);
  if (at == rendered.text.size()) return row;
  // A tokenizer that normalizes: bytes of tokens are not bytes of the text, so every stretch is tokenized by
  // itself.
  row.tokens.clear();
  size_t begin = 0;
  const auto append_stretch = [&](size_t end, bool counts) {
    for (const int32_t id : tokenizer_->encode(std::string_view(rendered.text).substr(begin, end - begin)))
      row.tokens.push_back(stored(id, counts));
    begin = end;
  };
  for (const auto& [first, last] : spans) {
    append_stretch(first, false);
    append_stretch(last, true);
  }
  append_stretch(rendered.text.size(), false);
  return row;
}

EncodedRow RowEncoder::encode(const ConversationRecord& record) const {
  const ChatTemplate& chat_template = conversation_template();
  Rendered rendered;
  if (options_.loss_on == LossOn::kAll) {
    TemplateInput input;
    input.messages = record.messages;
    input.tools = record.tools;
    rendered.text = chat_template.render(input).text;
    rendered.assistant_spans = {{0, rendered.text.size()}};
  } else {
    rendered =
        render_with_spans(chat_template, *tokenizer_, {.messages = record.messages, .tools = record.tools});
  }
  if (rendered.text.empty()) fail("the chat template renders nothing for this conversation");
  EncodedRow row = row_of_spans(rendered);
  add_ends(row, Form::kConversation);
  return row;
}

EncodedRow RowEncoder::encode(const TokenRecord& record) const {
  check_ids(record.ids, "input_ids");
  EncodedRow row;
  for (size_t i = 0; i < record.ids.size(); ++i)
    row.tokens.push_back(stored(record.ids[i], record.labels.empty() || record.labels[i] >= 0));
  return row;
}

std::vector<EncodedRow> RowEncoder::encode(const PreferenceTokenRecord& record) const {
  check_ids(record.prompt, "prompt_ids");
  check_ids(record.chosen, "chosen_ids");
  check_ids(record.rejected, "rejected_ids");
  std::vector<EncodedRow> rows(2);
  for (size_t i = 0; i < 2; ++i) {
    for (const int32_t id : record.prompt) rows[i].tokens.push_back(stored(id, false));
    for (const int32_t id : i == 0 ? record.chosen : record.rejected)
      rows[i].tokens.push_back(stored(id, true));
  }
  return rows;
}

std::vector<EncodedRow> RowEncoder::encode(const PreferenceRecord& record) const {
  std::vector<EncodedRow> rows = {answered_row(record, record.chosen), answered_row(record, record.rejected)};
  for (EncodedRow& row : rows)
    if (std::none_of(row.tokens.begin(), row.tokens.end(), is_counted))
      fail("an answer of this preference is empty");
  return rows;
}

// Only the answer counts; the prompt is everything before it, whoever speaks there.
EncodedRow RowEncoder::answered_row(const PreferenceRecord& record, const RecordJson& answer) const {
  if (!record.prompt.is_string()) return answered_conversation(record, answer);
  if (!answer.is_string())
    fail("\"prompt\" is a text, but an answer is a list of messages; give both in one form");
  const Tokenizer& tokenizer = text_tokenizer();
  const std::string prompt = record.prompt.get<std::string>(), text = answer.get<std::string>();
  EncodedRow row{.tokens = {}, .words = count_words(prompt) + count_words(text)};
  for (const int32_t id : tokenizer.encode(prompt)) row.tokens.push_back(stored(id, false));
  const size_t first_counted = row.tokens.size();
  for (const int32_t id : tokenizer.encode(text)) row.tokens.push_back(stored(id, true));
  if (row.tokens.size() > first_counted) add_ends(row, Form::kAnswer);
  return row;
}

EncodedRow RowEncoder::answered_conversation(const PreferenceRecord& record, const RecordJson& answer) const {
  const ChatTemplate& chat_template = conversation_template();
  RecordJson messages = answer_messages(answer);
  const bool repeats_prompt = messages.size() > record.prompt.size() &&
                              std::equal(record.prompt.begin(), record.prompt.end(), messages.begin());
  if (!repeats_prompt) {
    RecordJson whole = record.prompt;
    for (RecordJson& message : messages) whole.push_back(std::move(message));
    messages = std::move(whole);
  }
  TemplateInput input;
  input.tools = record.tools;
  input.messages = std::move(messages);
  Rendered rendered = chat_template.render(input);
  input.messages = record.prompt;
  input.add_generation_prompt = true;
  const std::string prompt = chat_template.render(input).text;
  const size_t shared = static_cast<size_t>(
      std::mismatch(prompt.begin(), prompt.end(), rendered.text.begin(), rendered.text.end()).first -
      prompt.begin());
  rendered.assistant_spans = {{shared, rendered.text.size()}};
  EncodedRow row = row_of_spans(rendered);
  add_ends(row, Form::kConversation);
  return row;
}

}  // namespace poro
