#include "eval/punkt.h"

#include "eval/word_tokenizer.h"
#include "tests/eval/eval_data.h"

namespace poro {
namespace {

using Sentences = std::vector<std::string_view>;

// Knows "dr", "etc" and "jan"; has seen "the" and "he" begin sentences in upper case and elsewhere in lower
// case; "smith" only in upper case.
Punkt small() {
  PunktModel model;
  model.abbreviations = {"dr", "etc", "jan", "u.s"};
  model.collocations = {"##number##,street"};
  model.sentence_starters = {"however"};
  model.contexts = {{"the", 2 | 32}, {"he", 2 | 32}, {"smith", 4 | 2}, {"however", 2}, {"army", 4 | 32}};
  return Punkt(std::move(model));
}

TEST(Punkt, AMarkEndsASentenceUnlessTheWordIsAnAbbreviation) {
  EXPECT_EQ(small().sentences("It rained. We left! Why? Dr. Smith knew."),
            (Sentences{"It rained.", "We left!", "Why?", "Dr. Smith knew."}));
}

TEST(Punkt, AWordThatStartsSentencesEndsAnAbbreviationToo) {
  EXPECT_EQ(small().sentences("Bread, salt, etc. The rest we had."),
            (Sentences{"Bread, salt, etc.", "The rest we had."}));
  EXPECT_EQ(small().sentences("Bread, salt, etc. However it was."),
            (Sentences{"Bread, salt, etc.", "However it was."}));
  EXPECT_EQ(small().sentences("The U.S. Army came."), Sentences{"The U.S. Army came."});
}

TEST(Punkt, InitialsAndNumbersLookAtTheNextWord) {
  EXPECT_EQ(small().sentences("It was J. Smith."), Sentences{"It was J. Smith."});
  EXPECT_EQ(small().sentences("He ran in 12. place."), Sentences{"He ran in 12. place."});
  EXPECT_EQ(small().sentences("It was in 12. The end."), (Sentences{"It was in 12.", "The end."}));
  EXPECT_EQ(small().sentences("At 12. Street lamps."), Sentences{"At 12. Street lamps."});
}

TEST(Punkt, ClosingMarksBelongToTheirSentence) {
  EXPECT_EQ(small().sentences("(It rained.) \"We left.\" Then he slept."),
            (Sentences{"(It rained.)", "\"We left.\"", "Then he slept."}));
}

TEST(Punkt, RunsOfMarksAndEllipses) {
  EXPECT_EQ(small().sentences("Oh no!!! We wait... and wait. Done"),
            (Sentences{"Oh no!!!", "We wait... and wait.", "Done"}));
  EXPECT_EQ(small().sentences("  \n "), Sentences{});
  EXPECT_EQ(small().sentences(""), Sentences{});
}

TEST(Punkt, TheEnglishModel) {
  SKIP_WITHOUT_EVAL_DATA();
  const Punkt punkt(load_punkt_model(eval_data_file("punkt_english.json")));
  EXPECT_EQ(punkt.sentences("Mr. Hall of Acme Inc. met Sen. Ray on Jan. 5. They talked.").size(), 2u);
  TemporaryFolder folder;
  EXPECT_THROW(load_punkt_model(folder.write("model.json", "{}")), Error);
}

TEST(WordTokenizer, PunctuationAndCliticsStandApart) {
  using Tokens = std::vector<std::string>;
  const WordTokenizer words;
  EXPECT_EQ(words.tokens("They'll pay $3.88, won't they?"),
            (Tokens{"They", "'ll", "pay", "$", "3.88", ",", "wo", "n't", "they", "?"}));
  EXPECT_EQ(words.tokens("\"I cannot,\" she said (to U.S. men)."),
            (Tokens{"``", "I", "can", "not", ",", "''", "she", "said", "(", "to", "U.S.", "men", ")", "."}));
  EXPECT_EQ(words.tokens("Wait... a--b *c* «d»"),
            (Tokens{"Wait", "...", "a", "--", "b", "*", "c", "*", "«", "d", "»"}));
  EXPECT_EQ(words.tokens(small(), "One A. Two B."), (Tokens{"One", "A.", "Two", "B", "."}));
}

}  // namespace
}  // namespace poro
