// The cache of token shards: made once, shared, never half there.
#include "data/shard.h"

#include <gtest/gtest.h>

#include <fstream>
#include <thread>

#include "base/error.h"
#include "tests/tiny_chat_model.h"

namespace poro {
namespace {

class ShardTest : public ::testing::Test {
 protected:
  void write(const std::string& lines) { std::ofstream(source_) << lines; }
  Shard make(const EncoderOptions& options = {}, Malformed malformed = Malformed::kStop,
             RowKind kind = RowKind::kRows) {
    ThreadPool pool(2);
    const RowEncoder encoder(model_.path(), TinyChatModel::kVocabSize, options);
    return open_or_make_shard({.source = source_, .kind = kind, .malformed = malformed, .cache = cache_},
                              encoder, pool);
  }
  std::string complaint(Malformed malformed = Malformed::kStop, RowKind kind = RowKind::kRows) {
    try {
      make({}, malformed, kind);
    } catch (const Error& error) {
      return error.what();
    }
    return "no complaint";
  }
  size_t folders() {
    size_t count = 0;
    for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(cache_)) ++count;
    return count;
  }

  TinyChatModel model_;
  ScratchFolder folder_;
  std::filesystem::path source_ = folder_ / "rows.jsonl", cache_ = folder_ / "cache";
};

TEST_F(ShardTest, HoldsRowsInTheOrderOfTheFileAndTheirStatistics) {
  std::string lines;
  for (int i = 0; i < 30000; ++i)
    lines +=
        R"({"text": "row )" + std::to_string(i) + "\", \"lang\": \"" + (i % 3 == 0 ? "fi" : "en") + "\"}\n";
  write(lines);
  const Shard shard = make();
  ASSERT_EQ(shard.num_rows(), 30000);
  for (const int64_t at : {0, 1, 9999, 29999}) {
    std::string text;
    for (const uint32_t token : shard.row(at).subspan(1, shard.row(at).size() - 2))
      text += static_cast<char>(token_id(token));
    EXPECT_EQ(text, "row " + std::to_string(at));
  }
  const RowStatistics& statistics = shard.statistics();
  EXPECT_EQ(statistics.rows, 30000);
  EXPECT_EQ(statistics.tokens, shard.num_tokens());
  EXPECT_EQ(statistics.counted, shard.num_tokens() - 30000);  // All but each row's first.
  EXPECT_EQ(statistics.languages.at("fi").words, 2 * 10000);
  EXPECT_EQ(statistics.languages.at("en").words, 2 * 20000);
}

TEST_F(ShardTest, IsMadeOnceForTheSameInput) {
  write("{\"text\": \"a\"}\n");
  const std::filesystem::path first = make().folder();
  const auto time = std::filesystem::last_write_time(first / "tokens");
  EXPECT_EQ(make().folder(), first);
  EXPECT_EQ(std::filesystem::last_write_time(first / "tokens"), time);
  EXPECT_NE(make({.begin_token = BeginToken::kNone}).folder(), first);
  write("{\"text\": \"b\"}\n");
  EXPECT_NE(make().folder(), first);
  EXPECT_EQ(folders(), 3u);
}

TEST_F(ShardTest, IsSafeWhenManyRunsMakeItAtOnce) {
  std::string lines;
  for (int i = 0; i < 2000; ++i)
    lines += R"({"text": "some words here"})"
             "\n";
  write(lines);
  std::vector<std::string> found(4);
  std::vector<std::thread> runs;
  for (std::string& folder : found) runs.emplace_back([&] { folder = make().folder(); });
  for (std::thread& run : runs) run.join();
  for (const std::string& folder : found) EXPECT_EQ(folder, found[0]);
  EXPECT_EQ(make().num_rows(), 2000);
  EXPECT_EQ(folders(), 1u);
}

TEST_F(ShardTest, RemovesWhatAKilledRunLeftBehind) {
  write("{\"text\": \"a\"}\n");
  const std::filesystem::path target = make().folder();
  std::filesystem::remove_all(target);
  const std::filesystem::path left = target.string() + ".partial-abcdef";
  std::filesystem::create_directories(left);
  std::ofstream(left / "lock") << "";
  make();
  EXPECT_FALSE(std::filesystem::exists(left));
}

TEST_F(ShardTest, NamesFileAndLineOfAMalformedRow) {
  write("{\"text\": \"a\"}\n\n{\"text\": }\n{\"text\": \"b\"}\n");
  EXPECT_NE(complaint().find("rows.jsonl, line 3: not JSON"), std::string::npos) << complaint();
  const Shard shard = make({}, Malformed::kSkip);
  EXPECT_EQ(shard.num_rows(), 2);
  EXPECT_EQ(shard.statistics().malformed, 1);
  EXPECT_EQ(folders(), 1u);  // The failed attempt left nothing.
}

TEST_F(ShardTest, LeavesOutRowsThatTeachNothingAndRefusesASourceOfOnlyThose) {
  write("{\"input_ids\": [1, 2], \"labels\": [1, -100]}\n{\"input_ids\": [1, 2]}\n{\"input_ids\": [5]}\n");
  const Shard shard = make();
  EXPECT_EQ(shard.num_rows(), 1);
  EXPECT_EQ(shard.statistics().uncounted, 2);
  write("{\"input_ids\": [1, 2], \"labels\": [-100, -100]}\n");
  EXPECT_NE(complaint().find("no row with a token that the loss counts"), std::string::npos) << complaint();
  write("");
  EXPECT_NE(complaint().find("is empty"), std::string::npos) << complaint();
  std::filesystem::remove(source_);
  EXPECT_NE(complaint().find("there is no file"), std::string::npos) << complaint();
}

TEST_F(ShardTest, RefusesRowsOfAnotherStage) {
  write("{\"prompt\": \"q\", \"chosen\": \"a\", \"rejected\": \"b\"}\n");
  EXPECT_NE(complaint().find("which is for stage = \"dpo\""), std::string::npos) << complaint();
  EXPECT_EQ(make({}, Malformed::kStop, RowKind::kPairs).num_rows(), 2);
  write("{\"text\": \"a\"}\n");
  EXPECT_NE(complaint(Malformed::kStop, RowKind::kPairs).find("needs preferences"), std::string::npos);
}

TEST_F(ShardTest, RefusesADamagedFolderWithASentence) {
  write("{\"text\": \"a\"}\n{\"text\": \"b\"}\n");
  const std::filesystem::path target = make().folder();
  std::filesystem::resize_file(target / "tokens", 4);
  EXPECT_NE(complaint().find("are damaged; remove the folder"), std::string::npos) << complaint();
}

}  // namespace
}  // namespace poro
