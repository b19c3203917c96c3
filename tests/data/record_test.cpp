// What a line is, and what is said about one that is nothing.
#include "data/record.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "data/line_reader.h"

namespace poro {
namespace {

Record parse(std::string line) {
  RecordParser parser;
  const size_t size = line.size();
  line.append(LineBlock::kPadding, '\0');
  return parser.parse(std::string_view(line).substr(0, size));
}

std::string complaint(const std::string& line) {
  try {
    parse(line);
  } catch (const Error& error) {
    return error.what();
  }
  return "no complaint";
}

TEST(Record, KnowsTheFiveKindsOfLines) {
  EXPECT_EQ(std::get<TextRecord>(parse(R"({"text": "Hei ä\n", "lang": "fi"})").content).text, "Hei ä\n");
  EXPECT_EQ(parse(R"({"text": "", "language": "sv", "id": 3})").language, "sv");
  const auto conversation = std::get<ConversationRecord>(
      parse(R"({"messages": [{"role": "user", "content": "a"}], "tools": [{"z": 1, "a": 2}]})").content);
  EXPECT_EQ(conversation.tools.dump(), R"([{"z":1,"a":2}])");  // In the file's order.
  const auto pair = std::get<PreferenceRecord>(
      parse(
          R"({"prompt": [{"role": "user", "content": "q"}], "chosen": "a", "rejected": {"role": "assistant", "content": "b"}})")
          .content);
  EXPECT_TRUE(pair.chosen.is_string());
  EXPECT_EQ(pair.rejected[0]["content"], "b");
  const auto tokens =
      std::get<TokenRecord>(parse(R"({"input_ids": [5, 6, 7], "labels": [-100, 6, -100]})").content);
  EXPECT_EQ(tokens.labels, (std::vector<int32_t>{-100, 6, -100}));
  EXPECT_TRUE(std::get<TokenRecord>(parse(R"({"input_ids": [5], "labels": null})").content).labels.empty());
  EXPECT_TRUE(parse(R"({"prompt_ids": [1], "chosen_ids": [2], "rejected_ids": [3]})").is_pair());
}

TEST(Record, SaysWhatIsWrongWithALine) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"{\"text\": ", "not JSON"},
      {"{\"text\": \"\xff\"}", "not JSON"},
      {"[1]", "not a JSON object"},
      {R"({"txt": "a"})", "none of the keys"},
      {R"({"text": 3})", "not a string"},
      {R"({"messages": "a"})", "not a list of messages"},
      {R"({"messages": [{"content": "a"}]})", "without a \"role\""},
      {R"({"input_ids": [1, -2]})", "holds -2 at index 1"},
      {R"({"input_ids": [1, 2.5]})", "index 1"},
      {R"({"input_ids": [1, 2], "labels": [1, 2, 3]})", "3 labels for 2 input_ids"},
      {R"({"input_ids": [1, 2], "labels": [1, 3]})", "labels[1] is 3 where input_ids[1] is 2"},
      {R"({"prompt": "a", "chosen": "b"})", "\"rejected\" is missing"},
      {R"({"prompt_ids": [1], "chosen_ids": [2]})", "\"rejected_ids\" is missing"},
  };
  for (const auto& [line, expected] : cases)
    EXPECT_NE(complaint(line).find(expected), std::string::npos) << line << "\n" << complaint(line);
}

}  // namespace
}  // namespace poro
