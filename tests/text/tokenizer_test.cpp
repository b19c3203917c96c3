#include "text/tokenizer.h"

#include <gtest/gtest.h>

#include <chrono>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/error.h"
#include "base/file.h"

namespace poro {
namespace {

using nlohmann::json;
using Ids = std::vector<int32_t>;

// A byte-level tokenizer over every byte (id = place in the alphabet's order) and a few merges.
json small_tokenizer() {
  json vocab = json::object();
  int id = 0;
  for (char32_t c = 0; c < 0x144; ++c) {
    const bool prints = (c >= '!' && c <= '~') || (c >= 0xA1 && c <= 0xAC) || (c >= 0xAE);
    if (!prints) continue;
    std::string text;
    if (c < 0x80)
      text = static_cast<char>(c);
    else
      text = {static_cast<char>(0xC0 | c >> 6), static_cast<char>(0x80 | (c & 0x3F))};
    vocab[text] = id++;
  }
  json merges = json::array();
  for (const auto& [left, right] : std::vector<std::pair<std::string, std::string>>{
           {"h", "e"}, {"l", "l"}, {"he", "ll"}, {"a", "a"}, {"aa", "aa"}, {"hell", "o"}, {"Ġ", "hello"}}) {
    merges.push_back(left + " " + right);
    vocab[left + right] = id++;
  }
  return {{"version", "1.0"},
          {"added_tokens",
           json::array({{{"id", id}, {"content", "<|end|>"}, {"special", true}, {"normalized", false}}})},
          {"normalizer", nullptr},
          {"pre_tokenizer", {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", true}}},
          {"decoder", {{"type", "ByteLevel"}}},
          {"model", {{"type", "BPE"}, {"vocab", vocab}, {"merges", merges}}}};
}

Tokenizer tokenizer_of(const json& description) {
  return Tokenizer::from_json(description.dump());
}

std::vector<std::string> pieces(const Tokenizer& tokenizer, std::string_view text) {
  std::vector<std::string> all;
  for (const int32_t id : tokenizer.encode(text)) all.emplace_back(tokenizer.token_bytes(id));
  return all;
}

std::string why_refused(const json& description) {
  try {
    tokenizer_of(description);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

using Pieces = std::vector<std::string>;

TEST(Tokenizer, MergesByRank) {
  const Tokenizer tokenizer = tokenizer_of(small_tokenizer());
  EXPECT_EQ(pieces(tokenizer, "hello"), Pieces{"hello"});
  EXPECT_EQ(pieces(tokenizer, "hello hello"), (Pieces{"hello", " hello"}));
  EXPECT_EQ(pieces(tokenizer, "hallo"), (Pieces{"h", "a", "ll", "o"}));
  EXPECT_EQ(pieces(tokenizer, "aaaaaaa"), (Pieces{"aaaa", "aa", "a"}));
}

TEST(Tokenizer, RecognisesSpecialTokensUnlessPlain) {
  const Tokenizer tokenizer = tokenizer_of(small_tokenizer());
  const int32_t end = *tokenizer.token_id("<|end|>");
  EXPECT_TRUE(tokenizer.is_special(end));
  EXPECT_EQ(tokenizer.encode("hello<|end|>"), (Ids{*tokenizer.token_id("hello"), end}));
  const Ids plain = tokenizer.encode("<|end|>", SpecialTokens::kPlain);
  EXPECT_EQ(plain.size(), 7u);
  EXPECT_EQ(tokenizer.decode(plain), "<|end|>");
  EXPECT_EQ(tokenizer.decode(Ids{end, plain[0]}, SkipSpecial::kYes), "<");
}

// A word of its own is one that no \w of Rust's touches: a letter, mark, digit, joiner or circled letter, but
// not a fraction or a superscript.
TEST(Tokenizer, FindsSingleWordsAsTheReferenceDoes) {
  json description = small_tokenizer();
  description["added_tokens"].push_back(
      {{"id", 300}, {"content", "[X]"}, {"single_word", true}, {"normalized", false}});
  const Tokenizer tokenizer = tokenizer_of(description);
  const int32_t id = tokenizer.token_id("[X]").value();
  const auto is_found = [&](const std::string& text) {
    const std::vector<int32_t> ids = tokenizer.encode(text);
    return std::find(ids.begin(), ids.end(), id) != ids.end();
  };
  for (const char* apart : {"½[X]", "[X]²", " [X] ", "[X]", "€[X]-"}) EXPECT_TRUE(is_found(apart)) << apart;
  for (const char* touched : {"a[X]", "[X]7", "[X]Ⅻ", "ⓐ[X]", "[X]_", "[X]\u0301", "\u200D[X]"})
    EXPECT_FALSE(is_found(touched)) << touched;
}

TEST(Tokenizer, TakesTheFirstOfTwoAddedTokensThatAreOneWhenNormalized) {
  json description = small_tokenizer();
  description["normalizer"] = {{"type", "NFC"}};
  description["added_tokens"].push_back({{"id", 300}, {"content", "<e\u0301>"}, {"normalized", true}});
  description["added_tokens"].push_back({{"id", 301}, {"content", "<é>"}, {"normalized", true}});
  const Tokenizer tokenizer = tokenizer_of(description);
  EXPECT_EQ(tokenizer.encode("<é>"), std::vector<int32_t>{tokenizer.token_id("<e\u0301>").value()});
}

Pieces split_by(const std::string& regex, std::string_view text) {
  json description = small_tokenizer();
  description["model"]["merges"] = json::array();
  description["model"]["ignore_merges"] = true;
  description["pre_tokenizer"] = {
      {"type", "Sequence"},
      {"pretokenizers",
       {{{"type", "Split"}, {"pattern", {{"Regex", regex}}}, {"behavior", "Removed"}, {"invert", true}},
        {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", false}}}}};
  return pieces(tokenizer_of(description), text);
}

// What the pattern does not match is removed here, so one byte a piece shows what it matched.
TEST(Tokenizer, ReadsClassesInsideClasses) {
  EXPECT_EQ(split_by(R"([^(\s|[.,!?…])]+)", "a (b.c|d"), (Pieces{"a", "b", "c", "d"}));
  EXPECT_EQ(split_by(R"([a[b-c]])", "abcd-"), (Pieces{"a", "b", "c"}));
  EXPECT_EQ(split_by(R"([a[-b]])", "a-b"), (Pieces{"a", "-", "b"}));
  EXPECT_EQ(split_by(R"([[a-]c])", "abc-"), (Pieces{"a", "c", "-"}));
}

TEST(Tokenizer, CountsMarksAsPartsOfWordsAtTheirBoundaries) {
  EXPECT_EQ(split_by(R"(\bx)", "x ax \u0301x -x"), (Pieces{"x", "x"}));
  EXPECT_EQ(split_by(R"(\Bx)", "x ax \u0301x -x"), (Pieces{"x", "x"}));
  EXPECT_EQ(split_by(R"(\bx)", "½x ⓬x ⓐx Ⅻx"),
            Pieces{"x"});  // After ⓬ alone: no letter, and none of Latin-1.
}

TEST(Tokenizer, LongPiecesAgreeWithShortOnes) {
  // 64 symbols are merged by scanning, more by a heap.
  const Tokenizer tokenizer = tokenizer_of(small_tokenizer());
  for (const std::string unit : {"a", "hell", "hello", "xhellaaa"}) {
    std::string text;
    while (text.size() < 600) text += unit;
    std::string joined;
    for (const std::string& piece : pieces(tokenizer, text)) joined += piece;
    EXPECT_EQ(joined, text);
  }
  EXPECT_EQ(pieces(tokenizer, std::string(400, 'a')), Pieces(100, "aaaa"));
}

TEST(Tokenizer, AMegabyteOfAnythingTakesLinearTime) {
  const Tokenizer tokenizer = tokenizer_of(small_tokenizer());
  for (const std::string unit : {"a", " ", "ab", "\n", "<", "'", "\xC3\xA4"}) {
    std::string text;
    while (text.size() < 1 << 20) text += unit;
    const auto start = std::chrono::steady_clock::now();
    EXPECT_EQ(tokenizer.decode(tokenizer.encode(text)), text);
    EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(20)) << "of " << unit;
  }
}

TEST(Tokenizer, ReplacesInvalidUtf8) {
  const Tokenizer tokenizer = tokenizer_of(small_tokenizer());
  EXPECT_EQ(tokenizer.encode("a\xFF\xC3"), tokenizer.encode("a\uFFFD\uFFFD"));
  EXPECT_EQ(tokenizer.decode(Ids{*tokenizer.token_id("\xC3"), *tokenizer.token_id("a")}), "\uFFFDa");
}

TEST(Tokenizer, StreamsWholeCharacters) {
  const Tokenizer tokenizer = tokenizer_of(small_tokenizer());
  const std::string text = "hyv\u00E4\u00E4 \U0001F642 hello";
  TextStream stream(tokenizer);
  std::string streamed;
  for (const int32_t id : tokenizer.encode(text)) {
    const std::string part = stream.push(id);
    EXPECT_EQ(part.find("\uFFFD"), std::string::npos);
    streamed += part;
  }
  EXPECT_EQ(streamed + stream.finish(), text);
  EXPECT_EQ(stream.push(*tokenizer.token_id("\xF0")), "");
  EXPECT_EQ(stream.push(*tokenizer.token_id("a")), "\uFFFDa");
  EXPECT_EQ(stream.push(*tokenizer.token_id("\xC3")), "");
  EXPECT_EQ(stream.finish(), "\uFFFD");
}

TEST(Tokenizer, RefusesIdsOutsideTheVocabulary) {
  const Tokenizer tokenizer = tokenizer_of(small_tokenizer());
  EXPECT_THROW(tokenizer.decode(Ids{-1}), Error);
  EXPECT_THROW(tokenizer.decode(Ids{tokenizer.vocab_size()}), Error);
  EXPECT_THROW(tokenizer.token_bytes(1 << 30), Error);
}

TEST(Tokenizer, IsTheSameFromManyThreadsAndAfterAMove) {
  Tokenizer first = tokenizer_of(small_tokenizer());
  const Ids expected = first.encode("hello hallo hello");
  const Tokenizer tokenizer = std::move(first);
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&] {
      for (int repeat = 0; repeat < 100; ++repeat) EXPECT_EQ(tokenizer.encode("hello hallo hello"), expected);
    });
  for (std::thread& thread : threads) thread.join();
}

TEST(Tokenizer, SaysWhatIsWrongWithAFile) {
  EXPECT_THROW(Tokenizer::from_json("{"), Error);
  EXPECT_THROW(Tokenizer::from_json("[]"), Error);
  EXPECT_THROW(Tokenizer::load("/nonexistent"), Error);
  const auto refuses = [](std::string_view pointer, const json& value, std::string_view why) {
    json description = small_tokenizer();
    description[json::json_pointer(std::string(pointer))] = value;
    EXPECT_NE(why_refused(description).find(why), std::string::npos)
        << pointer << ": " << why_refused(description);
  };
  refuses("/model", nullptr, "no \"model\"");
  refuses("/model/type", "Unigram", "only byte-level BPE");
  refuses("/model/vocab", json::array(), "not an object");
  refuses("/model/vocab/zz", -1, "whole number");
  refuses("/model/vocab/zz", 1e300, "whole number");
  refuses("/model/vocab/zz", 4294967295u, "whole number");
  refuses("/model/vocab/zz", "1", "whole number");
  refuses("/model/vocab/zz", 3, "comes twice");
  refuses("/model/merges/0", "he", "not two tokens");
  refuses("/model/merges/0", "h e l", "not two tokens");
  refuses("/model/merges/0", json::array({"h"}), "has 1 parts");
  refuses("/model/merges/0", json::array({"h", 1}), "not a string");
  refuses("/model/merges/0", "h z", "the vocab lacks");
  refuses("/model/merges/0", 7, "not a list");
  refuses("/model/dropout", 0.5, "dropout");
  refuses("/model/unk_token", "<unk>", "not in the vocab");
  refuses("/model/end_of_word_suffix", "</w>", "not supported");
  refuses("/normalizer", {{"type", "Precompiled"}}, "not supported");
  refuses("/pre_tokenizer", {{"type", "Metaspace"}}, "not supported");
  refuses("/pre_tokenizer", nullptr, "only byte-level");
  refuses("/pre_tokenizer/add_prefix_space", 1, "neither true nor false");
  refuses("/pre_tokenizer", {{"type", "Split"}, {"behavior", "Isolated"}, {"pattern", {{"Regex", "(a"}}}},
          "cannot compile");
  refuses("/decoder", {{"type", "WordPiece"}}, "not supported");
  refuses("/added_tokens/0/content", 5, "not a string");
}

std::string data_folder() {
  const char* folder = std::getenv("PORO_TEST_DATA");
  return folder != nullptr ? folder : "";
}

TEST(TokenizerGoldens, AreTheReferencesIds) {
  const char* goldens = std::getenv("PORO_GOLDENS");
  if (goldens == nullptr || data_folder().empty())
    GTEST_SKIP() << "PORO_GOLDENS and PORO_TEST_DATA name the folders with the goldens and Llama's tokenizer";
  const Tokenizer tokenizer = Tokenizer::load(data_folder() + "/tokenizer/llama-3.1");
  const Tokenizer ranks = Tokenizer::load(data_folder() + "/tokenizer/llama3_tokenizer.model");
  EXPECT_EQ(tokenizer.vocab_size(), 128256);
  EXPECT_EQ(ranks.vocab_size(), 128256);
  EXPECT_EQ(tokenizer.bos_id(), 128000);
  EXPECT_EQ(ranks.bos_id(), 128000);
  std::ifstream lines(std::string(goldens) + "/tokenizer.jsonl");
  int num_cases = 0;
  for (std::string line; std::getline(lines, line); ++num_cases) {
    const json golden = json::parse(line);
    const std::string text = golden["text"];
    const Ids ids = golden["ids"];
    EXPECT_EQ(tokenizer.encode(text), ids) << text;
    EXPECT_EQ(ranks.encode(text), ids) << text;
    EXPECT_EQ(tokenizer.decode(ids), golden["decoded"].get<std::string>());
    TextStream stream(tokenizer);
    std::string streamed;
    for (const int32_t id : ids) streamed += stream.push(id);
    EXPECT_EQ(streamed + stream.finish(), golden["decoded"].get<std::string>());
  }
  EXPECT_EQ(num_cases, 285);
  for (int32_t id = 0; id < 128000; ++id) ASSERT_EQ(ranks.token_bytes(id), tokenizer.token_bytes(id)) << id;
}

TEST(TokenizerGoldens, AreLlamaCppsIds) {
  if (data_folder().empty()) GTEST_SKIP() << "PORO_TEST_DATA names the folder with llama.cpp's cases";
  const Tokenizer tokenizer = Tokenizer::load(data_folder() + "/tokenizer/llama-3.1");
  std::string texts = read_file(data_folder() + "/tokenizer/ggml-vocab-llama-bpe.gguf.inp");
  std::istringstream answers(read_file(data_folder() + "/tokenizer/ggml-vocab-llama-bpe.gguf.out"));
  constexpr std::string_view kSeparator = "\n__ggml_vocab_test__\n";
  int num_cases = 0;
  for (std::string answer; std::getline(answers, answer);) {
    const size_t end = std::min(texts.find(kSeparator), texts.size());
    const std::string text = texts.substr(0, end);
    texts.erase(0, std::min(end + kSeparator.size(), texts.size()));
    std::istringstream numbers(answer);
    const Ids expected{std::istream_iterator<int32_t>(numbers), {}};
    EXPECT_EQ(tokenizer.encode(text), expected) << text;
    ++num_cases;
  }
  EXPECT_EQ(num_cases, 46);
  EXPECT_TRUE(texts.empty());  // The 47th text, after the last separator, is empty; its ids have no line.
  EXPECT_TRUE(tokenizer.encode(texts).empty());
}

}  // namespace
}  // namespace poro
