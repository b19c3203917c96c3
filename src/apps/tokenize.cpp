// `poro tokenize`: text to token ids and back, and new tokenizers.
#include <simdjson.h>
#include <unistd.h>

#include <atomic>
#include <charconv>

#include "apps/commands.h"
#include "apps/jsonl.h"
#include "apps/line_blocks.h"
#include "apps/model_options.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/threads.h"
#include "text/tokenizer.h"
#include "text/tokenizer_training.h"
#include "text/unicode.h"

namespace poro {
namespace {

struct TokenizeOptions {
  ModelOptions model;
  bool is_jsonl = false, adds_bos = false, is_plain = false, decodes = false, skips_special = false;
  std::vector<std::string> training_files;
  int vocabulary_size = 0;
  std::string out;
};

Tokenizer load_tokenizer(const std::string& model) {
  return Tokenizer::load(std::filesystem::is_regular_file(model) ? std::filesystem::path(model)
                                                                 : model_folder(model));
}

// Replaces what is not UTF-8, and says so once.
class Utf8Input {
 public:
  std::string repaired(std::string_view text) {
    if (!has_warned_.exchange(true))
      warn("the input is not valid UTF-8 throughout; what is not became U+FFFD");
    return replace_invalid_utf8(text);
  }

 private:
  std::atomic<bool> has_warned_{false};
};

// Half of a surrogate pair in a JSON escape stands for no character; it becomes U+FFFD.
void replace_lone_surrogates(std::string& json) {
  const auto escape_at = [&](size_t at) -> int {
    if (at + 6 > json.size() || json[at] != '\\' || json[at + 1] != 'u') return -1;
    return static_cast<int>(std::strtol(json.substr(at + 2, 4).c_str(), nullptr, 16));
  };
  for (size_t at = json.find('\\'); at != std::string::npos; at = json.find('\\', at)) {
    const int unit = escape_at(at);
    if (unit >= 0xD800 && unit < 0xDC00 && (escape_at(at + 6) & ~0x3FF) == 0xDC00) {
      at += 12;
      continue;
    }
    if (unit >= 0xD800 && unit < 0xE000) json.replace(at, 6, "\\uFFFD");
    at += 2;
  }
}

void append_ids(std::string& out, std::span<const int32_t> ids) {
  constexpr size_t kMaxDigits = 11;  // And a comma.
  const size_t before = out.size();
  out.resize(before + 2 + ids.size() * kMaxDigits);
  char* end = out.data() + before;
  *end++ = '[';
  for (const int32_t id : ids) {
    end = std::to_chars(end, end + kMaxDigits, id).ptr;
    *end++ = ',';
  }
  if (!ids.empty()) --end;
  *end++ = ']';
  out.resize(static_cast<size_t>(end - out.data()));
}

// One thread's answers to lines.
class LineTokenizer {
 public:
  LineTokenizer(const Tokenizer& tokenizer, const TokenizeOptions& options, Utf8Input& input)
      : tokenizer_(tokenizer), options_(options), input_(input) {}

  // Throws Error for a line that is not as it should be.
  void answer(std::string_view line, std::string& out) {
    const simdjson::dom::element document = parse(line);
    if (options_.decodes)
      decode(document, out);
    else
      encode(document, out);
  }

 private:
  simdjson::dom::element parse(std::string_view line) {
    static_assert(kLinePadding >= simdjson::SIMDJSON_PADDING);
    simdjson::dom::element document;
    constexpr bool kCopies = false;
    simdjson::error_code error = parser_.parse(line.data(), line.size(), kCopies).get(document);
    if (error == simdjson::UTF8_ERROR || error == simdjson::STRING_ERROR) {
      std::string repaired(line);
      if (!is_valid_utf8(line)) repaired = input_.repaired(line);
      replace_lone_surrogates(repaired);
      error = parser_.parse(repaired).get(document);
    }
    if (error) fail("the line is no JSON: {}", simdjson::error_message(error));
    if (!document.is_object()) fail("the line is not an object in {{}}");
    return document;
  }

  void encode(const simdjson::dom::element& document, std::string& out) {
    std::string_view text;
    if (document["text"].get(text)) fail("the line has no string \"text\"");
    std::vector<int32_t> ids =
        tokenizer_.encode(text, options_.is_plain ? SpecialTokens::kPlain : SpecialTokens::kRecognise);
    if (options_.adds_bos) ids.insert(ids.begin(), *tokenizer_.bos_id());
    out += "{\"ids\":";
    append_ids(out, ids);
    out += '}';
  }

  void decode(const simdjson::dom::element& document, std::string& out) {
    simdjson::dom::array list;
    if (document["ids"].get(list)) fail("the line has no list \"ids\"");
    std::vector<int32_t> ids;
    for (const simdjson::dom::element& value : list) {
      int64_t id = 0;
      if (value.get(id) || id < 0 || id > INT32_MAX)
        fail("\"ids\" holds at index {} what is no token id", ids.size());
      ids.push_back(static_cast<int32_t>(id));
    }
    const Json text = tokenizer_.decode(ids, options_.skips_special ? SkipSpecial::kYes : SkipSpecial::kNo);
    out += "{\"text\":" + text.dump() + "}";
  }

  const Tokenizer& tokenizer_;
  const TokenizeOptions& options_;
  Utf8Input& input_;
  simdjson::dom::parser parser_;
};

void tokenize_lines(const Tokenizer& tokenizer, const TokenizeOptions& options) {
  Utf8Input input;
  ThreadPool pool(options.model.threads);
  answer_line_blocks(STDIN_FILENO, pool, [&] {
    auto lines = std::make_shared<LineTokenizer>(tokenizer, options, input);
    return [lines](std::string_view line, std::string& out) { lines->answer(line, out); };
  });
}

void tokenize_text(const Tokenizer& tokenizer, const TokenizeOptions& options) {
  std::string text = read_to_end(STDIN_FILENO);
  if (!is_valid_utf8(text)) text = Utf8Input().repaired(text);
  std::vector<int32_t> ids =
      tokenizer.encode(text, options.is_plain ? SpecialTokens::kPlain : SpecialTokens::kRecognise);
  if (options.adds_bos) ids.insert(ids.begin(), *tokenizer.bos_id());
  std::string line;
  append_ids(line, ids);
  line += '\n';
  if (std::fwrite(line.data(), 1, line.size(), stdout) != line.size())
    throw std::runtime_error("cannot write to standard output");
}

void train(const TokenizeOptions& options) {
  const auto num_special = static_cast<int>(trained_special_tokens().size());
  if (options.out.empty() || options.vocabulary_size == 0)
    fail("--train needs --vocab-size and --out as well; see `poro tokenize --help`");
  if (options.vocabulary_size < 256 + num_special)
    fail("--vocab-size {} is too small: 256 bytes and {} special tokens make {}", options.vocabulary_size,
         num_special, 256 + num_special);
  ThreadPool pool(options.model.threads);
  const WordCounts words = count_words({options.training_files.begin(), options.training_files.end()}, pool);
  inform("{} distinct words", words.counts.size());
  const TrainedBpe trained = train_bpe(words, static_cast<size_t>(options.vocabulary_size - num_special));
  const auto size = static_cast<int>(trained.vocabulary.size()) + num_special;
  if (size < options.vocabulary_size)
    warn("the text has pairs for {} tokens only, not {}", size, options.vocabulary_size);
  std::error_code error;
  std::filesystem::create_directories(options.out, error);
  if (error) fail("cannot make the folder {}: {}", options.out, error.message());
  write_file_atomic(std::filesystem::path(options.out) / "tokenizer.json", tokenizer_json_of(trained));
  write_file_atomic(std::filesystem::path(options.out) / "tokenizer_config.json",
                    tokenizer_config_of_trained());
  inform("{} tokens and {} merges in {}", size, trained.merges.size(), options.out);
}

void tokenize(const TokenizeOptions& options) {
  if (!options.training_files.empty()) return train(options);
  const Tokenizer tokenizer = load_tokenizer(options.model.model);
  if (options.adds_bos && !tokenizer.bos_id())
    fail("{} names no begin-of-text token, so --bos has none to add", options.model.model);
  if (options.is_jsonl || options.decodes) return tokenize_lines(tokenizer, options);
  tokenize_text(tokenizer, options);
}

}  // namespace

void add_tokenize(CLI::App& root) {
  CLI::App* command =
      root.add_subcommand("tokenize", "Text to token ids and back; a new tokenizer from text");
  auto options = std::make_shared<TokenizeOptions>();
  add_model_option(*command, options->model);
  command->add_flag("--jsonl", options->is_jsonl, "Lines {\"text\": ...} in, lines {\"ids\": [...]} out");
  command->add_flag("--bos", options->adds_bos, "Begin with the begin-of-text token");
  command->add_flag("--plain", options->is_plain, "Special tokens in the text are ordinary text");
  CLI::Option* decode =
      command->add_flag("--decode", options->decodes, "Lines {\"ids\": [...]} in, lines {\"text\": ...} out");
  command->add_flag("--skip-special", options->skips_special, "Leave special tokens out of the text")
      ->needs(decode);
  command->add_option("--threads", options->model.threads, "Threads; 0: every core")
      ->check(CLI::Range(0, 4096));
  command->add_option("--train", options->training_files, "Make a new tokenizer from these text files");
  command
      ->add_option("--vocab-size", options->vocabulary_size,
                   "Tokens of the new tokenizer, special ones included")
      ->check(CLI::Range(1, 1 << 22));
  command->add_option("--out", options->out, "The new tokenizer's folder");
  command->footer(
      "Examples: echo -n 'Hei maailma' | poro tokenize --model LumiOpen/Llama-Poro-2-8B-Instruct\n"
      "          poro tokenize --train text.txt --vocab-size 32000 --out my-tokenizer");
  command->callback([options] { tokenize(*options); });
}

}  // namespace poro
