#include "eval/run_folder.h"

#include <fcntl.h>
#include <sys/resource.h>

#include <csignal>
#include <fstream>

#include "tests/eval/eval_data.h"
#include "tests/eval/fake_chat.h"

namespace poro {
namespace {

const nlohmann::ordered_json kSettings = {{"task", "test"}, {"data", {{"sha256", "abc"}}}};

std::vector<ChatRequest> requests(size_t count) {
  std::vector<ChatRequest> requests;
  for (size_t i = 0; i < count; ++i) requests.push_back({.messages = {{"user", std::to_string(i)}}});
  return requests;
}

FakeChat echo() {
  return FakeChat(
      [](const ChatRequest& request) { return ChatReply{.text = "to " + request.messages[0].content}; });
}

TEST(RunFolder, AsksOnlyForWhatItDoesNotHold) {
  const TemporaryFolder folder;
  FakeChat first = echo(), second = echo();
  RunFolder(folder.path() / "run", kSettings).replies(first, "answer", requests(3));
  EXPECT_EQ(first.asked.size(), 3u);
  RunFolder run(folder.path() / "run", kSettings);
  const auto replies = run.replies(second, "answer", requests(5));
  EXPECT_EQ(second.asked.size(), 2u);
  for (size_t i = 0; i < 5; ++i) EXPECT_EQ(replies[i].text, "to " + std::to_string(i));
}

TEST(RunFolder, PhasesAndEqualRequestsStayApart) {
  const TemporaryFolder folder;
  RunFolder run(folder.path() / "run", kSettings);
  int count = 0;
  FakeChat chat([&](const ChatRequest&) { return ChatReply{.text = std::to_string(count++)}; });
  const std::vector<ChatRequest> twice = {requests(1)[0], requests(1)[0]};
  const auto replies = run.replies(chat, "answer", twice);
  EXPECT_NE(replies[0].text, replies[1].text);
  run.replies(chat, "judge", twice);
  EXPECT_EQ(chat.asked.size(), 4u);
  run.replies(chat, "judge", twice);
  EXPECT_EQ(chat.asked.size(), 4u);
}

TEST(RunFolder, FailuresAreAskedForAgain) {
  const TemporaryFolder folder;
  RunFolder run(folder.path() / "run", kSettings);
  bool is_down = true;
  FakeChat chat([&](const ChatRequest& request) {
    return is_down && request.messages[0].content == "1" ? failed("down") : ChatReply{.text = "up"};
  });
  EXPECT_EQ(run.replies(chat, "answer", requests(3))[1].status, ChatReply::Status::kFailed);
  is_down = false;
  EXPECT_EQ(run.replies(chat, "answer", requests(3))[1].text, "up");
  EXPECT_EQ(chat.asked.size(), 4u);
}

TEST(RunFolder, AnotherRunIsRefusedWithWhatDiffers) {
  const TemporaryFolder folder;
  { const RunFolder run(folder.path() / "run", kSettings); }
  nlohmann::ordered_json other = kSettings;
  other["data"]["sha256"] = "xyz";
  try {
    const RunFolder run(folder.path() / "run", other);
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("data/sha256 was \"abc\" and is now \"xyz\""), std::string::npos)
        << error.what();
  }
}

TEST(RunFolder, TwoProcessesDoNotShareOne) {
  const TemporaryFolder folder;
  const RunFolder run(folder.path() / "run", kSettings);
  EXPECT_THROW(RunFolder(folder.path() / "run", kSettings), Error);
}

TEST(RunFolder, AHalfWrittenLineIsMadeAgainAndABrokenOneIsAnError) {
  const TemporaryFolder folder;
  FakeChat chat = echo();
  RunFolder(folder.path() / "run", kSettings).replies(chat, "answer", requests(3));
  const std::filesystem::path journal = folder.path() / "run/journal.jsonl";
  const std::string whole = read_file(journal);
  for (size_t cut = 0; cut <= whole.size(); cut += 7) {
    std::ofstream(journal, std::ios::binary) << whole.substr(0, cut);
    FakeChat again = echo();
    RunFolder(folder.path() / "run", kSettings).replies(again, "answer", requests(3));
    const std::string prefix = whole.substr(0, cut);
    EXPECT_EQ(again.asked.size(), 3u - static_cast<size_t>(std::count(prefix.begin(), prefix.end(), '\n')));
    EXPECT_EQ(read_file(journal).size(), whole.size());
  }
  std::ofstream(journal, std::ios::binary) << "{\"key\": 1\n" + whole;
  EXPECT_THROW(RunFolder(folder.path() / "run", kSettings), Error);
}

TEST(RunFolder, AFullDiskLosesNothingThatWasWritten) {
  const TemporaryFolder folder;
  std::signal(SIGXFSZ, SIG_IGN);
  rlimit old{};
  ::getrlimit(RLIMIT_FSIZE, &old);
  {
    RunFolder run(folder.path() / "run", kSettings);
    FakeChat chat([](const ChatRequest&) { return ChatReply{.text = std::string(300, 'x')}; });
    const rlimit small{1000, old.rlim_max};  // Stands for a disk that fills.
    ::setrlimit(RLIMIT_FSIZE, &small);
    EXPECT_THROW(run.replies(chat, "answer", requests(9)), Error);
    ::setrlimit(RLIMIT_FSIZE, &old);
  }
  FakeChat chat([](const ChatRequest&) { return ChatReply{.text = std::string(300, 'x')}; });
  const auto replies = RunFolder(folder.path() / "run", kSettings).replies(chat, "answer", requests(9));
  EXPECT_LT(chat.asked.size(), 9u);
  EXPECT_GT(chat.asked.size(), 5u);
  for (const ChatReply& reply : replies) EXPECT_EQ(reply.text.size(), 300u);
}

TEST(RunFolder, ItemsComeBackAsWritten) {
  const RunItem item{.id = "81.1",
                     .category = "writing",
                     .turns = {{.prompt = "Kirjoita.", .answer = "Näin.", .verdict = "[[9]]"}},
                     .score = 9};
  const RunItem read = RunItem::from_json(item.json());
  EXPECT_EQ(read.turns[0].answer, "Näin.");
  EXPECT_EQ(read.score, 9.0);
  EXPECT_FALSE(RunItem::from_json(RunItem{.id = "x", .category = "", .turns = {}, .score = {}}.json()).score);
  EXPECT_THROW(RunItem::from_json({{"id", 3}}), Error);
}

}  // namespace
}  // namespace poro
