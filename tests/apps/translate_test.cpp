// `poro translate` on a model that translates everything to "Hyvää päivää!": what it keeps, what it replaces,
// and what it says when it cannot.
#include <gtest/gtest.h>

#include <fstream>

#include "tests/apps/run_poro.h"
#include "tests/tiny_chat_model.h"

namespace poro {
namespace {

constexpr const char* kDocument =
    "# A heading\n\n"
    "One paragraph.\n\n"
    "- an item\n"
    "  1. another\n\n"
    "```sh\nmake chat  # words in code\n```\n\n"
    "| a | 1 |\n|---|---|\n";
constexpr const char* kTranslated =
    "# Hyvää päivää!\n\n"
    "Hyvää päivää!\n\n"
    "- Hyvää päivää!\n"
    "  1. Hyvää päivää!\n\n"
    "```sh\nmake chat  # words in code\n```\n\n"
    "| Hyvää päivää! | 1 |\n|---|---|\n";

class Translate : public ::testing::Test {
 protected:
  Translate() : model_({.context = 4096, .answer = "Hyvää päivää!"}) {}

  std::vector<std::string> arguments(const std::vector<std::string>& more) const {
    std::vector<std::string> all = {"translate", "--model", model_.path(), "--threads", "1"};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  void expect_refused(const std::vector<std::string>& more, const std::string& input,
                      const std::string& expected) {
    const PoroOutcome outcome = ask_poro(arguments(more), input);
    EXPECT_EQ(outcome.exit_code, 2) << expected;
    EXPECT_NE(outcome.err.find(expected), std::string::npos)
        << "wanted: " << expected << "\ngot: " << outcome.err;
  }

  TinyChatModel model_;
  ScratchFolder folder_;
};

TEST_F(Translate, KeepsLayoutAndCode) {
  for (const char* to : {"fi", "en"}) {
    const PoroOutcome outcome = ask_poro(arguments({"--to", to}), kDocument);
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    EXPECT_EQ(outcome.out, kTranslated);
  }
  std::ofstream(folder_ / "file.md") << kDocument;
  EXPECT_EQ(run_poro(arguments({"--to", "fi", folder_ / "file.md"})).out, kTranslated);
}

TEST_F(Translate, ShowsExamplesToAModelWithoutATemplate) {
  model_.write("tokenizer_config.json", {{"bos_token", "<|begin_of_text|>"}});
  const PoroOutcome outcome = ask_poro(arguments({"--to", "fi"}), kDocument);
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(outcome.out, kTranslated);
}

TEST_F(Translate, LeavesADocumentWithoutProseAlone) {
  EXPECT_EQ(ask_poro(arguments({"--to", "fi"}), "").out, "");
  EXPECT_EQ(ask_poro(arguments({"--to", "fi"}), "1\n\n***\n").out, "1\n\n***\n");
}

TEST_F(Translate, KeepsWhatTheModelSaysNothingAbout) {
  // The scripted model ends its turn at once after any token but a line's end.
  model_.write("tokenizer_config.json",
               {{"bos_token", "<|begin_of_text|>"}, {"chat_template", "{{ messages[-1]['content'] }}:"}});
  const PoroOutcome outcome = ask_poro(arguments({"--to", "fi"}), "One.\n\nTwo.\n");
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(outcome.out, "One.\n\nTwo.\n");
  EXPECT_NE(outcome.err.find("line 3: the model has no translation for this, so it stays as it is"),
            std::string::npos)
      << outcome.err;
}

TEST_F(Translate, SaysWhatIsWrong) {
  expect_refused({}, "One.", "--to is required");
  expect_refused({"--to", "sv"}, "One.", "--to");
  expect_refused({"--to", "fi", folder_ / "none.md"}, "", "none.md");
  expect_refused({"--to", "fi"}, "One.\n\n" + std::string(5000, 'a') + "\n", "line 3: the prompt has ");
  EXPECT_EQ(run_poro({"translate", "--model", "shape:tiny", "--to", "fi"}).exit_code, 2);
}

}  // namespace
}  // namespace poro
