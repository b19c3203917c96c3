#include "eval/langdetect.h"

#include "tests/eval/eval_data.h"
#include "text/language.h"

namespace poro {
namespace {

struct TwoLanguages {
  TemporaryFolder folder;
  TwoLanguages() {
    std::filesystem::create_directory(folder.path() / "profiles");
    folder.write(
        "profiles/aa",
        R"({"name": "aa", "freq": {"a": 90, "b": 10, " a": 40, "ab": 10}, "n_words": [100, 50, 10]})");
    folder.write(
        "profiles/bb",
        R"({"name": "bb", "freq": {"a": 10, "b": 90, "bb": 30, "あ": 5}, "n_words": [100, 50, 10]})");
    folder.write("classes", "NGram.KANJI_1_0=\\u4F7C\\u6934\n");
  }
  Langdetect detector() const { return Langdetect(folder.path() / "profiles", folder.path() / "classes"); }
};

TEST(Langdetect, TheProfileThatExplainsThePiecesWins) {
  const TwoLanguages two;
  const Langdetect detector = two.detector();
  EXPECT_EQ(detector.share("a aa aaa a a a aa", "aa"), 1);
  EXPECT_EQ(detector.share("b bb bbb b b b bb", "aa"), 0);
  EXPECT_EQ(detector.share("b bb bbb b b b bb", "cc"), 0);  // No such profile.
}

TEST(Langdetect, NothingToJudgeByIsNoAnswer) {
  const TwoLanguages two;
  EXPECT_EQ(two.detector().share("123 -- !", "aa"), std::nullopt);
  EXPECT_EQ(two.detector().share("https://a.aa/aaa a@aa.aa", "aa"), std::nullopt);  // Addresses do not count.
}

TEST(Langdetect, ScriptsThatTheProfilesDoNotTellApartAreOneCharacter) {
  const TwoLanguages two;
  EXPECT_EQ(two.detector().share("ひらがな ひら", "bb"), 1);
}

TEST(Langdetect, BrokenProfilesAreErrors) {
  const TwoLanguages two;
  two.folder.write("profiles/cc", "{");
  EXPECT_THROW(two.detector(), Error);
}

TEST(Langdetect, TheInstalledProfiles) {
  SKIP_WITHOUT_EVAL_DATA();
  const Langdetect detector(eval_data_file("langdetect"), eval_data_file("langdetect.properties"));
  EXPECT_EQ(detector.share("Kesällä järven rannalla on hiljaista, ja veneet odottavat laiturissa.", "fi"), 1);
  EXPECT_EQ(detector.share("På sommaren är det tyst vid sjön, och båtarna väntar vid bryggan.", "sv"), 1);
  EXPECT_EQ(detector.share("夏天湖边很安静，船在码头等着。", "zh-cn"), 1);
}

TEST(LanguageIdentifier, TheInstalledModel) {
  SKIP_WITHOUT_EVAL_DATA();
  const LanguageIdentifier identifier(eval_data_file("lid.176.ftz"));
  EXPECT_EQ(identifier.identify("Kesällä järven rannalla\non hiljaista.")->language, "fi");
  EXPECT_EQ(identifier.identify("In summer the shore of the lake is quiet.")->language, "en");
  EXPECT_GT(identifier.identify("In summer the shore of the lake is quiet.")->probability, 0.5);
  EXPECT_FALSE(identifier.identify(" \n ").has_value());
}

TEST(LanguageIdentifier, AnotherFileIsAnError) {
  TemporaryFolder folder;
  EXPECT_THROW(LanguageIdentifier(folder.write("model", "not a model")), Error);
  EXPECT_THROW(LanguageIdentifier(folder.path() / "missing"), Error);
}

}  // namespace
}  // namespace poro
