// Which tokens a record becomes, and which of them count.
#include "data/row_encoder.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

#include "base/error.h"
#include "base/file.h"
#include "data/assistant_spans.h"
#include "data/line_reader.h"
#include "tests/tiny_chat_model.h"

namespace poro {
namespace {

Record parse(std::string line) {
  RecordParser parser;
  const size_t size = line.size();
  line.append(LineBlock::kPadding, '\0');
  return parser.parse(std::string_view(line).substr(0, size));
}

// The row as text, what counts between brackets: "<|header|>user\nHi<|eot_id|>[Hello<|eot_id|>]".
std::string marked(const Tokenizer& tokenizer, const EncodedRow& row) {
  std::string text;
  bool is_inside = false;
  for (const uint32_t token : row.tokens) {
    if (is_counted(token) != is_inside) text += is_inside ? "]" : "[";
    is_inside = is_counted(token);
    text += tokenizer.token_bytes(token_id(token));
  }
  return text + (is_inside ? "]" : "");
}

class RowEncoderTest : public ::testing::Test {
 protected:
  std::vector<std::string> encode(const std::string& line, const EncoderOptions& options = {}) {
    const RowEncoder encoder(model_.path(), TinyChatModel::kVocabSize, options);
    std::vector<std::string> rows;
    for (const EncodedRow& row : encoder.encode(parse(line))) rows.push_back(marked(tokenizer_, row));
    return rows;
  }
  std::string complaint(const std::string& line) {
    try {
      encode(line);
    } catch (const Error& error) {
      return error.what();
    }
    return "no complaint";
  }

  TinyChatModel model_;
  Tokenizer tokenizer_ = Tokenizer::load(model_.path());
};

constexpr const char* kTwoTurns =
    R"({"messages": [{"role": "system", "content": "S"}, {"role": "user", "content": "a"}, {"role": "assistant", "content": " b "},)"
    R"( {"role": "user", "content": "c"}, {"role": "assistant", "content": "d"}]})";

TEST_F(RowEncoderTest, CountsTheAssistantsWordsAndTheirEnd) {
  EXPECT_EQ(encode(kTwoTurns)[0],
            "<|begin_of_text|><|header|>system\nS<|eot_id|><|header|>user\na<|eot_id|><|header|>assistant\n["
            "b<|eot_id|>]"
            "<|header|>user\nc<|eot_id|><|header|>assistant\n[d<|eot_id|>]");
}

TEST_F(RowEncoderTest, CountsEverythingWhenAsked) {
  const std::string row = encode(kTwoTurns, {.loss_on = LossOn::kAll})[0];
  EXPECT_EQ(row.front(), '[');
  EXPECT_EQ(std::count(row.begin(), row.end(), '['), 1);
}

TEST_F(RowEncoderTest, MakesRowsAsTheMakersOfPoroDidWhenAsked) {
  const std::string row =
      encode(R"({"messages": [{"role": "user", "content": "a"}]})",
             {.loss_on = LossOn::kAll, .begin_token = BeginToken::kTwice, .end_token = EndToken::kAlways})[0];
  EXPECT_EQ(row, "[<|begin_of_text|><|begin_of_text|><|header|>user\na<|eot_id|><|end_of_text|>]");
}

TEST_F(RowEncoderTest, PutsTextBetweenBeginAndEnd) {
  EXPECT_EQ(encode(R"({"text": "ab"})")[0], "[<|begin_of_text|>ab<|end_of_text|>]");
  EXPECT_EQ(encode(R"({"text": "<|begin_of_text|>ab"})")[0], "[<|begin_of_text|>ab<|end_of_text|>]");
  EXPECT_EQ(encode(R"({"text": "ab"})", {.begin_token = BeginToken::kNone, .end_token = EndToken::kNever})[0],
            "[ab]");
  EXPECT_EQ(encode(R"({"text": ""})")[0], "");
}

TEST_F(RowEncoderTest, PutsThePromptBeforeBothAnswers) {
  const std::string before = "<|begin_of_text|><|header|>user\nq<|eot_id|><|header|>assistant\n";
  const std::vector<std::string> want = {before + "[yes<|eot_id|>]", before + "[no<|eot_id|>]"};
  EXPECT_EQ(encode(R"({"prompt": [{"role": "user", "content": "q"}], "chosen": "yes", "rejected": "no"})"),
            want);
  EXPECT_EQ(
      encode(
          R"({"prompt": [{"role": "user", "content": "q"}], "chosen": [{"role": "assistant", "content": "yes"}],)"
          R"( "rejected": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "no"}]})"),
      want);
  EXPECT_EQ(encode(R"({"prompt": "q: ", "chosen": "yes", "rejected": "no"})"),
            (std::vector<std::string>{"<|begin_of_text|>q: [yes<|end_of_text|>]",
                                      "<|begin_of_text|>q: [no<|end_of_text|>]"}));
}

TEST_F(RowEncoderTest, TakesIdsAsTheyAre) {
  EXPECT_EQ(encode(R"({"input_ids": [97, 98, 99], "labels": [-100, 98, -100]})")[0], "a[b]c");
  EXPECT_EQ(encode(R"({"input_ids": [97, 98]})")[0], "[ab]");
  EXPECT_EQ(encode(R"({"prompt_ids": [97], "chosen_ids": [98], "rejected_ids": [99, 99]})"),
            (std::vector<std::string>{"a[b]", "a[cc]"}));
  EXPECT_NE(
      complaint(R"({"input_ids": [1, 264]})").find("holds 264 at index 1; the vocabulary has 264 tokens"),
      std::string::npos);
}

TEST_F(RowEncoderTest, SaysWhatAFolderLacks) {
  ScratchFolder bare;
  const RowEncoder encoder(bare.path(), 264, {});
  EXPECT_NO_THROW(encoder.encode(parse(R"({"input_ids": [1, 2]})")));
  EXPECT_THROW(encoder.encode(parse(R"({"text": "a"})")), Error);
  EXPECT_THROW(encoder.encode(parse(kTwoTurns)), Error);
}

TEST_F(RowEncoderTest, HasAnIdentityThatFollowsOptionsAndFiles) {
  const auto identity = [&](const EncoderOptions& options) {
    return RowEncoder(model_.path(), 264, options).identity();
  };
  const std::string before = identity({});
  EXPECT_EQ(before, identity({}));
  EXPECT_NE(before, identity({.loss_on = LossOn::kAll}));
  std::ofstream(std::filesystem::path(model_.path()) / "chat_template.jinja") << "{{ messages }}";
  EXPECT_NE(before, identity({}));
}

// A template that drops what earlier answers thought, once a later question follows; and one with generation
// blocks.
TEST_F(RowEncoderTest, FindsTheAssistantInTemplatesOfOtherKinds) {
  const auto spans = [&](const char* source, const char* messages) {
    const ChatTemplate chat_template(source, nlohmann::ordered_json::object());
    const auto parsed = nlohmann::ordered_json::parse(messages);
    const nlohmann::ordered_json tools = nullptr;
    const Rendered rendered =
        render_with_spans(chat_template, tokenizer_, {.messages = parsed, .tools = tools});
    std::string text = rendered.text;
    for (auto span = rendered.assistant_spans.rbegin(); span != rendered.assistant_spans.rend(); ++span) {
      text.insert(span->second, "]");
      text.insert(span->first, "[");
    }
    return text;
  };
  const char* messages =
      R"([{"role": "user", "content": "u"}, {"role": "assistant", "content": "t:a"}, {"role": "user", "content": "v"},)"
      R"( {"role": "assistant", "content": "s:b"}])";
  EXPECT_EQ(spans("{% for m in messages %}{{ m.role[0] }}:{{ m.content if loop.last else "
                  "m.content.split(':')[-1] }}<|eot_id|>"
                  "{% endfor %}{% if add_generation_prompt %}a:{% endif %}",
                  messages),
            "u:u<|eot_id|>a:[a<|eot_id|>]u:v<|eot_id|>a:[s:b<|eot_id|>]");
  EXPECT_EQ(spans("{% for m in messages %}{% if m.role == 'assistant' %}A {% generation %}{{ m.content }}.{% "
                  "endgeneration %}"
                  "{% else %}U {{ m.content }}{% endif %};{% endfor %}",
                  messages),
            "U u;A [t:a.];U v;A [s:b.];");
}

TEST(AssistantSpans, CoverTheAnswersOfTheLlamaTemplateWithTools) {
  const char* data = std::getenv("PORO_TEST_DATA");
  if (data == nullptr) GTEST_SKIP() << "set PORO_TEST_DATA to the folder with tokenizer/llama-3.1";
  const std::filesystem::path folder = std::filesystem::path(data) / "tokenizer/llama-3.1";
  const RowEncoder encoder(folder, 128256, {});
  const Tokenizer tokenizer = Tokenizer::load(folder);
  const EncodedRow row = encoder.encode(parse(
      R"({"messages": [{"role": "user", "content": "Sää?"}, {"role": "assistant", "content": "", "tool_calls": [{"type": "function",)"
      R"( "function": {"name": "weather", "arguments": {"city": "Oulu"}}}]}, {"role": "tool", "content": "-3"},)"
      R"( {"role": "assistant", "content": "Pakkasta."}]})"))[0];
  const std::string text = marked(tokenizer, row);
  const std::string head = "<|start_header_id|>assistant<|end_header_id|>\n\n";
  EXPECT_NE(text.find(head + "[{\"name\": \"weather\", \"parameters\": {\"city\": \"Oulu\"}}<|eot_id|>]"),
            std::string::npos)
      << text;
  EXPECT_TRUE(text.ends_with(head + "[Pakkasta.<|eot_id|>]")) << text;
  EXPECT_EQ(std::count(text.begin(), text.end(), '['), 2) << text;
}

}  // namespace
}  // namespace poro
