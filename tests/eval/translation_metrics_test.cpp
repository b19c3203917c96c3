// BLEU and chrF++ against sacrebleu: the values its own tests publish, and those it gives for sentences of
// ours (sacrebleu 2.5, BLEU().corpus_score and CHRF(word_order=2).corpus_score).
#include <gtest/gtest.h>

#include "eval/bleu.h"
#include "eval/chrf.h"

namespace poro {
namespace {

using Texts = std::vector<std::string>;

// One list of references per segment, from one list per annotator.
std::vector<Texts> by_segment(const std::vector<Texts>& references) {
  std::vector<Texts> segments(references[0].size());
  for (const Texts& list : references)
    for (size_t i = 0; i < list.size(); ++i) segments[i].push_back(list[i]);
  return segments;
}

double bleu(const Texts& translations, const std::vector<Texts>& references) {
  const Bleu metric;
  const std::vector<Texts> segments = by_segment(references);
  BleuCounts sum;
  for (size_t i = 0; i < translations.size(); ++i) sum += metric.counts(translations[i], segments[i]);
  return sum.score();
}

double chrf(const Texts& translations, const std::vector<Texts>& references,
            const ChrfOptions& options = {}) {
  const std::vector<Texts> segments = by_segment(references);
  ChrfCounts sum;
  for (size_t i = 0; i < translations.size(); ++i) sum += chrf_counts(translations[i], segments[i], options);
  return sum.score(options);
}

// The example of sacrebleu's README and tests.
const Texts kSystem = {"The dog bit the man.", "It wasn't surprising.", "The man had just bitten him."};
const std::vector<Texts> kReferences = {
    {"The dog bit the man.", "It was not unexpected.", "The man bit him first."},
    {"The dog had bit the man.", "No one was surprised.", "The man had bitten the dog."}};

TEST(Bleu, EqualsSacrebleusPublishedValues) {
  EXPECT_NEAR(bleu(kSystem, kReferences), 48.530827, 5e-6);
  EXPECT_EQ(bleu({"", "", ""}, kReferences), 0);
  EXPECT_EQ(bleu({"this is a test", "another test"}, {{"ref1", "ref2"}}), 0);
  EXPECT_NEAR(bleu({"this is a test"}, {{"this is a test"}}), 100, 1e-9);
}

const Texts kFinnish = {"Metsässä kulki vanha mies, jolla oli 3,5 kilon reppu.",
                        "\"Tule tänne!\" huusi lapsi - eikä kukaan kuullut.",
                        "Hinta on 1,000.50 euroa (noin 10-15 % enemmän).", "Hyvää huomenta.", ""};
const std::vector<Texts> kFinnishReferences = {
    {"Vanha mies kulki metsässä 3,5 kilon reppu selässään.",
     "\"Tulkaa tänne!\", lapsi huusi - mutta kukaan ei kuullut.",
     "Hinta on 1,000.50 euroa (n. 10-15 % enemmän).", "Huomenta &amp; hyvää päivää.", "Viimeinen rivi."},
    {"Metsässä käveli vanha mies, repussaan 3,5 kiloa.", "Lapsi huusi \"Tule tänne!\", eikä kukaan kuullut.",
     "Se maksaa 1,000.50 euroa.", "Hyvää huomenta!", "Loppu."}};

TEST(Bleu, EqualsSacrebleuOnFinnishWithNumbersAndMarks) {
  EXPECT_NEAR(bleu(kFinnish, {kFinnishReferences[0]}), 33.33351128789229, 1e-9);
  EXPECT_NEAR(bleu(kFinnish, kFinnishReferences), 53.909394535853934, 1e-9);
  EXPECT_NEAR(bleu({kFinnish[0], kFinnish[1]}, {{kFinnishReferences[0][0], kFinnishReferences[0][1]}}),
              15.048218324574218, 1e-9);  // No 4-gram in common: the smoothing.
}

TEST(Bleu, TokenisesAsMteval13a) {
  const Bleu metric;
  EXPECT_EQ(metric.tokenized("He said: \"3,5-4.0\" &lt;b&gt;, (ok)."),
            "He said : \" 3,5 - 4.0 \" < b > , ( ok ) .");
  EXPECT_EQ(metric.tokenized("line-\nbreak\nand\t more"), "linebreak and more");
}

TEST(Chrf, EqualsSacrebleusPublishedValues) {
  const ChrfOptions chrf3{.word_order = 0, .beta = 3};
  for (const auto& [translation, reference, expected] :
       std::vector<std::tuple<Texts, Texts, double>>{{{"a"}, {"a"}, 100.0},
                                                     {{""}, {"reference"}, 0.0},
                                                     {{"a b c"}, {"a b c"}, 100.0},
                                                     {{"a b c"}, {"abc"}, 100.0},
                                                     {{"a", "b"}, {"a", "c"}, 50.0},
                                                     {{"aa"}, {"ab"}, 25.0},
                                                     {{"abcdefg"}, {"hijklmnop"}, 0.0}})
    EXPECT_NEAR(chrf(translation, {reference}, chrf3), expected, 1e-4) << translation[0];
  EXPECT_NEAR(
      chrf({" Die    Beziehung zwischen  Obama und Netanjahu ist nicht gerade  freundlich. "},
           {{"Das Verhältnis zwischen Obama und Netanyahu ist nicht gerade freundschaftlich."}}, chrf3),
      64.1302698, 1e-4);
  EXPECT_NEAR(
      chrf({" risk assessment must be made of those who are qualified and expertise in the sector - these "
            "are the scientists ."},
           {{"risk assessment has to be undertaken by those who are qualified and expert in that area - that "
             "is the scientists ."}},
           chrf3),
      63.361730, 1e-4);
}

TEST(Chrf, EqualsSacrebleuOnFinnishWithWords) {
  EXPECT_NEAR(chrf(kFinnish, {kFinnishReferences[0]}), 51.263997801634176, 1e-9);
  EXPECT_NEAR(chrf(kFinnish, kFinnishReferences), 64.95280352808307, 1e-9);
  EXPECT_NEAR(chrf(kFinnish, {kFinnishReferences[0]}, {.word_order = 0}), 54.55925840046677, 1e-9);
  EXPECT_NEAR(chrf(kFinnish, kFinnishReferences, {.word_order = 0}), 68.46047396552929, 1e-9);
  EXPECT_EQ(chrf({""}, {{""}}), 0);
}

}  // namespace
}  // namespace poro
