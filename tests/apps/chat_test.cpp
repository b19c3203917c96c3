// `poro chat` as a person has it on a terminal, and as a script has it through a pipe.
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/apps/run_poro.h"
#include "tests/apps/terminal.h"
#include "tests/tiny_chat_model.h"

namespace poro {
namespace {

using Json = nlohmann::json;

constexpr const char* kPrompt = "\n> ";
constexpr const char* kBackspace = "\x7f";
constexpr const char* kLeft = "\033[D";
constexpr const char* kUp = "\033[A";
constexpr const char* kHome = "\x01";
constexpr const char* kDeleteRight = "\x04";
constexpr const char* kControlC = "\x03";
constexpr const char* kEndOfInput = "\x04";

// A model that always says "Hyvää päivää!", a folder for its history, and helpers to talk with it.
class ChatCommand : public ::testing::Test {
 protected:
  std::vector<std::string> arguments(const std::vector<std::string>& more = {}) const {
    std::vector<std::string> all = {"chat", "--model", model_.path(), "--threads", "1"};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  Terminal::Environment environment() const { return {{"XDG_STATE_HOME", (folder_ / "state").string()}}; }

  // Types a line at the prompt, and waits for what it brings and the next prompt. Returns all that was shown.
  static std::string say(Terminal& terminal, const std::string& keys, const std::string& expected) {
    terminal.type(keys + "\r");
    const std::string before = terminal.wait_for(expected);
    return before + terminal.wait_for(kPrompt);
  }
  // The contents of all messages so far, by way of /save.
  std::vector<std::string> contents(Terminal& terminal) const {
    const std::string file = folder_ / "saved.json";
    say(terminal, "/save " + file, " messages to ");
    std::vector<std::string> texts;
    const Json saved = Json::parse(read_file(file));
    for (const Json& message : saved["messages"])
      texts.push_back(message["role"].get<std::string>() + ": " + message["content"].get<std::string>());
    return texts;
  }
  static void quit(Terminal& terminal) {
    terminal.type("/quit\r");
    EXPECT_EQ(terminal.wait_for_end(), 0);
  }

  TinyChatModel model_{{.answer = "Hyvää päivää!"}};
  ScratchFolder folder_;
};

using Texts = std::vector<std::string>;

TEST_F(ChatCommand, EditsLinesByCharactersAndNotByBytes) {
  Terminal terminal(arguments(), environment());
  terminal.wait_for(kPrompt);
  say(terminal, std::string("Hyvää") + kBackspace + "ä, ystöö" + kBackspace + kBackspace + "ävä!",
      "Hyvää päivää!");
  // The cursor over "ä" of two bytes and "€" of three, and "🙂" of four that is two columns wide.
  say(terminal, std::string("öljyä€🙂") + kLeft + kLeft + kBackspace + kHome + kDeleteRight,
      "Hyvää päivää!");
  EXPECT_EQ(contents(terminal), (Texts{"user: Hyvää, ystävä!", "assistant: Hyvää päivää!", "user: ljy€🙂",
                                       "assistant: Hyvää päivää!"}));
  quit(terminal);
}

TEST_F(ChatCommand, RemembersLinesWithinARunAndForTheNext) {
  {
    Terminal terminal(arguments(), environment());
    terminal.wait_for(kPrompt);
    say(terminal, "yksi", "Hyvää päivää!");
    say(terminal, "kääkkä", "Hyvää päivää!");
    say(terminal, std::string(kUp) + kUp, "Hyvää päivää!");
    EXPECT_EQ(contents(terminal)[4], "user: yksi");
    quit(terminal);
  }
  Terminal terminal(arguments(), environment());
  terminal.wait_for(kPrompt);
  // Past /quit, /save and "yksi" is what was said before them.
  say(terminal, std::string(kUp) + kUp + kUp + kUp, "Hyvää päivää!");
  EXPECT_EQ(contents(terminal), (Texts{"user: kääkkä", "assistant: Hyvää päivää!"}));
  quit(terminal);
}

TEST_F(ChatCommand, TalksWithoutAFolderForTheHistory) {
  Terminal terminal(arguments(), {{"XDG_STATE_HOME", "/proc/none"}});
  terminal.wait_for(kPrompt);
  say(terminal, "yksi", "Hyvää päivää!");
  quit(terminal);
}

TEST_F(ChatCommand, ControlCDropsTheLineAndControlDLeaves) {
  Terminal terminal(arguments(), environment());
  terminal.wait_for(kPrompt);
  terminal.type("roskaa");
  terminal.wait_for("roskaa");
  terminal.type(kControlC);
  terminal.wait_for("^C");
  terminal.wait_for(kPrompt);
  say(terminal, "asiaa", "Hyvää päivää!");
  EXPECT_EQ(contents(terminal), (Texts{"user: asiaa", "assistant: Hyvää päivää!"}));
  terminal.type(kEndOfInput);
  EXPECT_EQ(terminal.wait_for_end(), 0);
}

TEST_F(ChatCommand, ControlCStopsTheAnswerAndNotTheProgram) {
  const TinyChatModel endless({.context = 65536});  // Random weights, which greedily never say stop.
  Terminal terminal({"chat", "--model", endless.path(), "--threads", "1"}, environment());
  terminal.wait_for(kPrompt);
  terminal.type("puhu\r");
  terminal.wait_for("puhu\r\n");
  terminal.wait_for_bytes(64);
  terminal.type(kControlC);
  terminal.wait_for("stopped");
  terminal.wait_for(kPrompt);
  const Texts said = contents(terminal);
  ASSERT_EQ(said.size(), 2u);
  EXPECT_EQ(said[0], "user: puhu");
  EXPECT_GE(said[1].size(), std::string("assistant: ").size() + 16);
  quit(terminal);
}

TEST_F(ChatCommand, SetsAndShowsSamplingParameters) {
  Terminal terminal(arguments(), environment());
  terminal.wait_for(kPrompt);
  say(terminal, "/set temperature 0.3", "temperature = 0.3");
  say(terminal, "/set", "temperature          0.3");
  say(terminal, "/set temperature -1", "temperature is -1, but must be 0 or more");
  say(terminal, "/set temperature kuuma", "temperature is \"kuuma\", but must be 0 or more");
  say(terminal, "/set top_k 1.5", "top_k is 1.5, but must be a whole number, 0 or more");
  say(terminal, "/set top_p", "/set takes a name and a value: /set top_p 1");
  say(terminal, "/set colour 1", "colour is no sampling parameter; /set alone lists them");
  say(terminal, "/sett", "/sett is no command; /help lists them");
  say(terminal, "/help", "/quit");
  say(terminal, "/stats", "no answer yet");
  say(terminal, "Moi", "Hyvää päivää!");
  say(terminal, "/stats", "tokens per second");
  quit(terminal);
}

TEST_F(ChatCommand, KeepsConversationsInFiles) {
  const std::string file = folder_ / "keskustelu.json";
  {
    Terminal terminal(arguments({"--system", "Olet poro."}), environment());
    terminal.wait_for(kPrompt);
    say(terminal, "Moi", "Hyvää päivää!");
    say(terminal, "/save " + file, "saved 3 messages");
    say(terminal, "/reset", "a new conversation, with the same system text");
    EXPECT_EQ(contents(terminal), (Texts{"system: Olet poro."}));
    say(terminal, "/system Olet hirvi.", "system: Olet hirvi.");
    say(terminal, "/load " + (folder_ / "nothing.json").string(), "is no conversation");
    EXPECT_EQ(contents(terminal), (Texts{"system: Olet hirvi."}));
    say(terminal, "/save /proc/none/file", "/proc/none/file");
    say(terminal, "/save", "/save needs the name of a file");
    quit(terminal);
  }
  Terminal terminal(arguments(), environment());
  terminal.wait_for(kPrompt);
  say(terminal, "/system", "there is no system text");
  say(terminal, "/load " + file, "loaded 3 messages");
  say(terminal, "Entä nyt?", "Hyvää päivää!");
  EXPECT_EQ(contents(terminal), (Texts{"system: Olet poro.", "user: Moi", "assistant: Hyvää päivää!",
                                       "user: Entä nyt?", "assistant: Hyvää päivää!"}));
  quit(terminal);
}

TEST_F(ChatCommand, SaysWhenTheContextIsFull) {
  const TinyChatModel small({.context = 64});
  Terminal terminal({"chat", "--model", small.path(), "--threads", "1"}, environment());
  terminal.wait_for(kPrompt);
  say(terminal, "Moi", "the context of 64 tokens is full, so the answer ends here");
  say(terminal, "Ja vielä yksi kysymys", "nothing was said yet. /reset starts a new conversation");
  quit(terminal);
}

TEST_F(ChatCommand, HasColoursOnATerminalAlone) {
  constexpr const char* kColour = "\033[1;36m";
  Terminal::Environment coloured = environment();
  coloured["NO_COLOR"] = "";
  Terminal terminal(arguments(), coloured);
  terminal.wait_for(kColour);
  terminal.type("/quit\r");
  EXPECT_EQ(terminal.wait_for_end(), 0);

  const PoroOutcome piped = ask_poro(arguments(), "Moi\n\n/stats\nvielä\n/none\n");
  EXPECT_EQ(piped.exit_code, 0);
  EXPECT_EQ(piped.out, "Hyvää päivää!\nHyvää päivää!\n");
  EXPECT_NE(piped.err.find("tokens per second"), std::string::npos) << piped.err;
  EXPECT_NE(piped.err.find("/none is no command; /help lists them"), std::string::npos) << piped.err;
  EXPECT_EQ(piped.err.find('\033'), std::string::npos) << piped.err;
}

TEST_F(ChatCommand, NeedsAModelThatCanTalk) {
  const PoroOutcome random = run_poro({"chat", "--model", "shape:tiny"});
  EXPECT_EQ(random.exit_code, 2);
  EXPECT_NE(random.err.find("shape:tiny has random weights and nothing to say"), std::string::npos)
      << random.err;
  model_.write("tokenizer_config.json", {{"bos_token", "<|begin_of_text|>"}});
  const PoroOutcome base = ask_poro(arguments(), "Moi\n");
  EXPECT_EQ(base.exit_code, 2);
  EXPECT_NE(base.err.find("has no chat template"), std::string::npos) << base.err;
  std::filesystem::remove(model_.path() + "/tokenizer.json");
  const PoroOutcome bare = ask_poro(arguments(), "Moi\n");
  EXPECT_EQ(bare.exit_code, 2);
  EXPECT_NE(bare.err.find("has no tokenizer"), std::string::npos) << bare.err;
}

}  // namespace
}  // namespace poro
