#include "text/tokenizer_training.h"

#include <atomic>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/progress.h"
#include "text/byte_level.h"
#include "text/scanner.h"
#include "text/unicode.h"

namespace poro {
namespace {

using Json = nlohmann::ordered_json;

// The end of the line that holds byte `at`: behind its newline, or the end of the text.
size_t line_end(std::string_view text, size_t at) {
  const size_t newline = text.find('\n', at);
  return newline == std::string_view::npos ? text.size() : newline + 1;
}

// Pieces never cross lines, which is how the reference's trainer reads files.
void count_lines(std::string_view text, WordCounts& words) {
  while (!text.empty()) {
    const size_t end = line_end(text, 0);
    for (Scanner<KnownPattern::kLlama3> scanner(text.substr(0, end)); !scanner.is_done();)
      words.add(scanner.next(), 1);
    text.remove_prefix(end);
  }
}

Json token_json(const std::string& content, int32_t id) {
  return {{"id", id},        {"content", content},  {"single_word", false}, {"lstrip", false},
          {"rstrip", false}, {"normalized", false}, {"special", true}};
}

Json byte_level_json() {
  return {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", false}};
}

// Texts begin with <|begin_of_text|> where special tokens are asked for.
Json post_processor_json(int32_t bos_id) {
  const std::string& bos = trained_special_tokens().front();
  const auto special = [&](int type) { return Json{{"SpecialToken", {{"id", bos}, {"type_id", type}}}}; };
  const auto sequence = [](const char* name, int type) {
    return Json{{"Sequence", {{"id", name}, {"type_id", type}}}};
  };
  const Json token = {{"id", bos}, {"ids", Json::array({bos_id})}, {"tokens", Json::array({bos})}};
  return {{"type", "TemplateProcessing"},
          {"single", Json::array({special(0), sequence("A", 0)})},
          {"pair", Json::array({special(0), sequence("A", 0), special(1), sequence("B", 1)})},
          {"special_tokens", {{bos, token}}}};
}

}  // namespace

const std::vector<std::string>& trained_special_tokens() {
  static const std::vector<std::string> tokens = {
      "<|begin_of_text|>",   "<|end_of_text|>",   "<|finetune_right_pad_id|>",
      "<|start_header_id|>", "<|end_header_id|>", "<|eom_id|>",
      "<|eot_id|>",          "<|python_tag|>"};
  return tokens;
}

WordCounts count_words(const std::vector<std::filesystem::path>& files, ThreadPool& pool) {
  constexpr size_t kBlock = size_t{1} << 22;
  WordCounts total;
  std::vector<WordCounts> counts(static_cast<size_t>(pool.size()));
  for (const std::filesystem::path& file : files) {
    const MappedFile mapped(file);
    std::string_view text(reinterpret_cast<const char*>(mapped.bytes().data()), mapped.bytes().size());
    std::string replaced;
    if (!is_valid_utf8(text)) {
      warn("{} is not valid UTF-8 throughout; what is not counts as U+FFFD", file.string());
      text = replaced = replace_invalid_utf8(text);
    }
    Progress progress("counting " + file.filename().string(), text.size(), ProgressUnit::kBytes);
    std::vector<size_t> starts = {0};
    while (starts.back() < text.size())
      starts.push_back(line_end(text, std::min(starts.back() + kBlock, text.size() - 1)));
    std::atomic<size_t> next{0};
    pool.run([&](int thread) {
      for (size_t block; (block = next++) + 1 < starts.size();) {
        count_lines(text.substr(starts[block], starts[block + 1] - starts[block]),
                    counts[static_cast<size_t>(thread)]);
        progress.add(starts[block + 1] - starts[block]);
      }
    });
  }
  for (const WordCounts& part : counts)
    for (int32_t word = 0; word < part.words.id_limit(); ++word)
      total.add(part.words.bytes(word), part.counts[static_cast<size_t>(word)]);
  return total;
}

std::string tokenizer_json_of(const TrainedBpe& trained) {
  const ByteAlphabet& alphabet = ByteAlphabet::get();
  const Vocabulary& vocabulary = trained.vocabulary;
  Json vocab = Json::object(), merges = Json::array(), added = Json::array();
  auto& tokens = vocab.get_ref<Json::object_t&>();
  for (int32_t id = 0; id < vocabulary.id_limit(); ++id)
    tokens.emplace_back(alphabet.to_text(vocabulary.bytes(id)), id);
  for (const Merge& merge : trained.merges)
    merges.push_back(alphabet.to_text(vocabulary.bytes(merge.left)) + " " +
                     alphabet.to_text(vocabulary.bytes(merge.right)));
  int32_t next_id = vocabulary.id_limit();
  for (const std::string& token : trained_special_tokens()) added.push_back(token_json(token, next_id++));
  const std::string pattern =
      R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
  const Json split = {
      {"type", "Split"}, {"pattern", {{"Regex", pattern}}}, {"behavior", "Isolated"}, {"invert", false}};
  const Json file = {
      {"version", "1.0"},
      {"truncation", nullptr},
      {"padding", nullptr},
      {"added_tokens", added},
      {"normalizer", nullptr},
      {"pre_tokenizer", {{"type", "Sequence"}, {"pretokenizers", Json::array({split, byte_level_json()})}}},
      {"post_processor", post_processor_json(vocabulary.id_limit())},
      {"decoder", byte_level_json()},
      {"model",
       {{"type", "BPE"},
        {"dropout", nullptr},
        {"unk_token", nullptr},
        {"continuing_subword_prefix", nullptr},
        {"end_of_word_suffix", nullptr},
        {"fuse_unk", false},
        {"byte_fallback", false},
        {"ignore_merges", false},
        {"vocab", std::move(vocab)},
        {"merges", std::move(merges)}}}};
  return file.dump(1) + "\n";
}

std::string tokenizer_config_of_trained() {
  const std::vector<std::string>& special = trained_special_tokens();
  const Json config = {{"bos_token", special[0]},
                       {"eos_token", special[1]},
                       {"pad_token", special[2]},
                       {"clean_up_tokenization_spaces", false},
                       {"model_input_names", Json::array({"input_ids", "attention_mask"})},
                       {"tokenizer_class", "PreTrainedTokenizerFast"}};
  return config.dump(2) + "\n";
}

}  // namespace poro
