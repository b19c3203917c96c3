// `poro generate --jsonl`: lines that come together are answered together, in their order, each as it would
// be alone; and who waits for an answer before the next line gets it.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <nlohmann/json.hpp>

#include "tests/tiny_chat_model.h"

namespace poro {
namespace {

// The program between two pipes.
class Conversation {
 public:
  explicit Conversation(const std::string& model) {
    int in[2], out[2];
    EXPECT_EQ(::pipe2(in, O_CLOEXEC) | ::pipe2(out, O_CLOEXEC), 0);
    child_ = ::fork();
    if (child_ == 0) {
      ::dup2(in[0], STDIN_FILENO);
      ::dup2(out[1], STDOUT_FILENO);
      ::dup2(::open("/dev/null", O_WRONLY), STDERR_FILENO);
      ::execl(PORO_BINARY, "poro", "generate", "--jsonl", "--threads", "1", "--model", model.c_str(),
              nullptr);
      ::_exit(127);
    }
    ::close(in[0]);
    ::close(out[1]);
    to_ = ::fdopen(in[1], "w");
    from_ = ::fdopen(out[0], "r");
  }
  void say(const std::string& text) {
    std::fputs(text.c_str(), to_);
    std::fflush(to_);
  }
  std::string line() {
    char* text = nullptr;
    size_t size = 0;
    std::string result = ::getline(&text, &size, from_) < 0 ? "" : text;
    ::free(text);
    return result;
  }
  // The exit code, after the end of the input.
  int end() {
    std::fclose(to_);
    int status = 0;
    ::waitpid(child_, &status, 0);
    std::fclose(from_);
    return WEXITSTATUS(status);
  }

 private:
  pid_t child_;
  std::FILE *to_, *from_;
};

std::string request(int i) {
  nlohmann::json json = {
      {"prompt", std::string(static_cast<size_t>(1 + i * 3 % 40), static_cast<char>('a' + i))},
      {"max_new_tokens", 1 + i * 7 % 30},
      {"temperature", i % 2},
      {"seed", i},
      {"logprobs", 1}};
  if (i % 3 == 0) json["stop"] = {"q", "xy"};
  return json.dump() + "\n";
}

TEST(GenerateLines, TogetherTheyAreAnsweredAsAloneAndInOrder) {
  const TinyChatModel model;
  Conversation one(model.path()), all(model.path());
  std::string lines;
  std::vector<std::string> expected;
  for (int i = 0; i < 25; ++i) {
    one.say(request(i));  // And waits.
    expected.push_back(one.line());
    EXPECT_NE(expected.back(), "");
    lines += request(i);
  }
  EXPECT_EQ(one.end(), 0);
  all.say(lines);
  for (const std::string& line : expected) EXPECT_EQ(all.line(), line);
  EXPECT_EQ(all.end(), 0);
}

TEST(GenerateLines, BrokenLinesAreAnsweredInTheirPlace) {
  const TinyChatModel model;
  Conversation conversation(model.path());
  conversation.say(request(1) + "{\"prompt\": \n\n{\"ids\": []}\n" + request(2));
  EXPECT_NE(conversation.line().find("\"finish_reason\""), std::string::npos);
  EXPECT_NE(conversation.line().find("standard input, line 2"), std::string::npos);
  EXPECT_NE(conversation.line().find("standard input, line 4"), std::string::npos);
  EXPECT_NE(conversation.line().find("\"finish_reason\""), std::string::npos);
  conversation.say("{\"ids\": [70000]}");  // The last line has no end, but is a line.
  EXPECT_EQ(conversation.end(), 2);
}

}  // namespace
}  // namespace poro
