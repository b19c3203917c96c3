// The steps of `poro data`: what each keeps and removes, from files to files, and what is said about bad
// input.
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/file.h"
#include "data/corpus/clean.h"
#include "data/corpus/corpus_count.h"
#include "data/corpus/decontaminate.h"
#include "data/corpus/deduplicate.h"
#include "data/corpus/filter.h"
#include "data/corpus/split.h"
#include "data/line_reader.h"
#include "data/line_writer.h"
#include "tests/scratch_folder.h"

namespace poro {
namespace {

namespace fs = std::filesystem;

std::string text_line(const std::string& text) {
  return RecordJson{{"text", text}}.dump();
}

std::vector<std::string> lines_of(const fs::path& path) {
  std::vector<std::string> lines;
  LineReader reader(path);
  for (LineBlock block; reader.next(block);)
    for_lines(block, [&](std::string_view line, int64_t) { lines.emplace_back(line); });
  return lines;
}

class Corpus : public testing::Test {
 protected:
  fs::path file(const std::string& name, const std::vector<std::string>& lines) {
    LineWriter writer(folder_ / name);
    for (const std::string& line : lines) writer.write(line);
    writer.commit();
    return folder_ / name;
  }
  // The texts that stay.
  std::vector<std::string> kept(DataStep& step, const std::vector<std::string>& texts, int threads = 1) {
    std::vector<std::string> lines;
    for (const std::string& text : texts) lines.push_back(text_line(text));
    report_ = run(step, file("in.jsonl", lines), threads);
    std::vector<std::string> result;
    for (const std::string& line : lines_of(folder_ / "out.jsonl"))
      result.push_back(RecordJson::parse(line)["text"]);
    return result;
  }
  StepReport run(DataStep& step, const fs::path& input, int threads = 1) {
    ThreadPool pool(threads);
    return run_step(
        step, {.inputs = {input}, .outputs = {folder_ / "out.jsonl"}, .removed = folder_ / "removed.jsonl"},
        pool);
  }
  std::string complaint(const std::string& line) {
    try {
      CleanStep step;
      run(step, file("bad.jsonl", {text_line("hyvä"), line}));
    } catch (const Error& error) {
      return error.what();
    }
    return "no complaint";
  }

  ScratchFolder folder_;
  StepReport report_;
};

const std::string kFinnish =
    "Järven rannalla seisoi vanha mökki, jonka ikkunoista näkyi kauas ulapalle. Isäntä oli lähtenyt kalaan "
    "jo aamulla, "
    "ja emäntä keitti kahvia. Koira makasi kynnyksellä ja kuunteli, milloin vene kolahtaisi laituriin. Tuuli "
    "oli heikko, "
    "mutta taivaalla liikkui tummia pilviä. Illaksi oli luvattu sadetta.";

TEST_F(Corpus, WritesWhatItReadsInEveryCompression) {
  for (const char* name : {"a.jsonl", "a.jsonl.gz", "a.jsonl.zst"}) {
    std::vector<std::string> lines;
    for (int i = 0; i < 20000; ++i) lines.push_back(text_line("rivi " + std::to_string(i * 7919 % 10007)));
    lines.push_back(text_line(std::string(1'000'000, 'x')));
    EXPECT_EQ(lines_of(file(name, lines)), lines) << name;
  }
  LineWriter forgotten(folder_ / "never.jsonl");
  forgotten.write("x");
  EXPECT_FALSE(fs::exists(folder_ / "never.jsonl"));
}

TEST_F(Corpus, CleansCharactersAndGaps) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"a\u0308iti", "äiti"},                      // NFC
      {"yksi \t\u00a0 kaksi ", "yksi kaksi"},      // Spaces of every kind
      {"a\r\nb\rc\u2028d", "a\nb\nc\nd"},          // Line ends
      {"a\n\n\n\n\nb  \n", "a\n\nb"},              // Blank lines
      {"sa\u00adna\u200b\u0007!\ufeff", "sana!"},  // Soft hyphen, zero width, bell, byte order mark
      {"if x:\n    y = 1", "if x:\n    y = 1"},    // Indentation stays
      {"  alku", "alku"},
  };
  for (const auto& [raw, clean] : cases) EXPECT_EQ(clean_text(raw), clean) << raw;
  CleanStep step;
  EXPECT_EQ(kept(step, {"\u200b \n", " a  b "}), std::vector<std::string>{"a b"});
  EXPECT_EQ(report_.removed.at("empty").documents, 1);
}

TEST_F(Corpus, CleansEveryTextOfALine) {
  CleanStep step;
  run(step, file("in.jsonl", {R"({"messages":[{"role":"user","content":" hei "}],"id":7})",
                              R"({"prompt":"a  b","chosen":" c","rejected":"d "})"}));
  EXPECT_EQ(lines_of(folder_ / "out.jsonl"),
            (std::vector<std::string>{R"({"messages":[{"role":"user","content":"hei"}],"id":7})",
                                      R"({"prompt":"a b","chosen":"c","rejected":"d"})"}));
}

TEST_F(Corpus, FiltersByTheTable) {
  std::string repeated, list, code;
  for (int i = 0; i < 30; ++i) repeated += "Tämä lause toistuu ihan samanlaisena. ";
  for (int i = 0; i < 30; ++i)
    list += "- kohta numero " + std::string(1, static_cast<char>('a' + i % 26)) + " jossa on asiaa\n";
  for (int i = 0; i < 30; ++i) code += "{ x[" + std::to_string(i) + "] = foo_bar<baz>(arvo) | toinen; }\n";
  const std::vector<std::pair<std::string, std::string>> cases = {
      {kFinnish, ""},
      {"Liian lyhyt.", "short"},
      {repeated, "repetition"},
      {list, "bullets"},
      {kFinnish + " \uFFFD", "damaged"},
      {"1 2 3 " + kFinnish.substr(0, 200) +
           std::string(" 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28"),
       "few words"},
      {code, "symbols"},
  };
  FilterStep step({.min_words = 20, .max_word_length = 14, .max_symbols = 0.05});
  for (const auto& [text, reason] : cases) {
    Document document = parse_document(text_line(text));
    step.judge(document);
    EXPECT_EQ(document.removed, reason) << text.substr(0, 60);
  }
}

TEST_F(Corpus, CutsOutLinesThatAreNoSentences) {
  FilterStep step({.min_words = 5, .max_symbols = 0.05, .has_prose_lines = true, .has_repetition = false});
  EXPECT_EQ(
      kept(step, {"Contents\nThis is a whole sentence about nothing.\nint main() { return 0; }\nSee "
                  "also:\n\nAnother line that ends well."}),
      std::vector<std::string>{"This is a whole sentence about nothing.\n\nAnother line that ends well."});
}

TEST_F(Corpus, NamesTheKindOfRepetition) {
  EXPECT_EQ(repetition_in(kFinnish), "");
  EXPECT_EQ(repetition_in("sama rivi\nsama rivi\neri rivi"), "lines");
}

TEST_F(Corpus, KeepsTheFirstOfEqualAndNearlyEqualDocuments) {
  std::string near = kFinnish, other;
  near.replace(near.find("vanha"), 5, "uusi.");
  for (int i = 0; i < 60; ++i) other += "sana" + std::to_string(i * i) + " ";
  const std::vector<std::string> texts = {kFinnish, other, "  " + kFinnish + "!", near, "lyhyt", "lyhyt", ""};
  DeduplicateStep step(0.75);
  EXPECT_EQ(kept(step, texts), (std::vector<std::string>{kFinnish, other, "lyhyt", ""}));
  EXPECT_EQ(report_.removed.at("equal").documents, 2);
  EXPECT_EQ(report_.removed.at("near").documents, 1);
  DeduplicateStep exact(1);
  EXPECT_EQ(kept(exact, texts), (std::vector<std::string>{kFinnish, other, near, "lyhyt", ""}));
}

TEST_F(Corpus, RemovesWhatTestsHold) {
  const std::string question =
      "Kuinka monta kilometriä on Helsingistä Rovaniemelle, jos ajaa suorinta tietä ilman yhtään taukoa?";
  const std::string short_one = "yksi kaksi kolme neljä viisi kuusi seitsemän kahdeksan";
  const fs::path tests = file(
      "tests.jsonl.gz", {RecordJson{{"en", {{"q", question}}}, {"n", 3}}.dump(), short_one, "liian lyhyt"});
  DecontaminateStep step({.tests = {tests}});
  EXPECT_EQ(kept(step, {kFinnish, "Kysymys: " + question, short_one + " yhdeksän", "liian lyhyt"}),
            (std::vector<std::string>{kFinnish, "liian lyhyt"}));
  const RecordJson removed = RecordJson::parse(lines_of(folder_ / "removed.jsonl").at(1));
  EXPECT_EQ(removed["removed"], "in tests.jsonl.gz");
  EXPECT_EQ(removed["overlap"], short_one);
  EXPECT_THROW(DecontaminateStep({.tests = {folder_ / "missing"}}), Error);
  EXPECT_THROW(DecontaminateStep({.tests = {file("short.jsonl", {"\"a b c\""})}}), Error);
}

TEST_F(Corpus, HoldsOutWholeWorks) {
  std::vector<std::string> lines;
  for (int work = 0; work < 200; ++work)
    for (int piece = 0; piece < 3; ++piece)
      lines.push_back(
          RecordJson{{"text", std::to_string(work * 3 + piece)}, {"document", "teos " + std::to_string(work)}}
              .dump());
  const fs::path input = file("in.jsonl", lines);
  SplitStep step({.held_out = 0.2});
  ThreadPool pool(2);
  run_step(step, {.inputs = {input}, .outputs = {folder_ / "train.jsonl", folder_ / "held.jsonl"}}, pool);
  const std::vector<std::string> held = lines_of(folder_ / "held.jsonl");
  EXPECT_EQ(held.size() + lines_of(folder_ / "train.jsonl").size(), lines.size());
  EXPECT_EQ(held.size() % 3, 0u);
  EXPECT_GT(held.size(), 60u);
  EXPECT_LT(held.size(), 180u);
  for (size_t i = 0; i < held.size(); i += 3)
    EXPECT_EQ(RecordJson::parse(held[i])["document"], RecordJson::parse(held[i + 2])["document"]);
}

TEST_F(Corpus, GivesTheSameOnAnyNumberOfThreads) {
  std::vector<std::string> lines;
  for (int i = 0; i < 60000; ++i)
    lines.push_back(text_line("teksti numero " + std::to_string(i % 50021) + " jossa on muutama sana"));
  const fs::path input = file("in.jsonl", lines);
  std::string first;
  for (const int threads : {1, 4}) {
    DeduplicateStep step(1);
    run(step, input, threads);
    const std::string bytes = read_file(folder_ / "out.jsonl");
    if (first.empty()) first = bytes;
    EXPECT_EQ(bytes, first) << threads;
  }
}

TEST_F(Corpus, CountsBySourceAndLanguage) {
  const fs::path input = file("in.jsonl", {R"({"text":"yksi kaksi","lang":"fi","source":"a"})",
                                           R"({"text":"one","lang":"en","source":"a"})",
                                           R"({"text":"kolme","lang":"fi","source":"a"})"});
  ThreadPool pool(1);
  const CorpusCounts counts = count_corpus(input, pool);
  EXPECT_EQ(counts.size(), 2u);
  const CorpusCount& finnish = counts.at({.source = "a", .language = "fi"});
  EXPECT_EQ(finnish.documents, 2);
  EXPECT_EQ(finnish.words, 3);
  EXPECT_EQ(finnish.bytes, 15);
}

TEST_F(Corpus, SaysWhatIsWrongAndWhere) {
  for (const auto& [line, expected] : std::vector<std::pair<std::string, std::string>>{
           {"{", "line 2: not JSON"},
           {"[1]", "line 2: not a JSON object"},
           {"{}", "line 2: none of the keys"},
           {R"({"text": 3})", "\"text\" is not a string"},
           {R"({"messages": []})", "\"messages\" is neither"},
           {R"({"messages": [{"role": "user"}]})", "without a text \"content\""},
           {R"({"prompt": "a", "chosen": "b"})", "\"rejected\" is missing"},
           {"{\"text\": \"\xff\"}", "not JSON in UTF-8"},
       })
    EXPECT_NE(complaint(line).find(expected), std::string::npos) << complaint(line);
  EXPECT_FALSE(fs::exists(folder_ / "out.jsonl")) << "a run that fails leaves no output";
  CleanStep step;
  EXPECT_THROW(run(step, folder_ / "missing.jsonl"), Error);
  const fs::path same = file("out.jsonl", {text_line("a")});
  EXPECT_THROW(run(step, same), Error);
}

}  // namespace
}  // namespace poro
