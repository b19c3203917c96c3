// What became of the answers to recipes/mini/prompts-*.jsonl: in the prompt's language (fastText), ended by
// themselves, and, in Finnish, without a misspelt word (Voikko, where libvoikko and its dictionary are
// installed). Prints the table and the examples that the model's card shows, as Markdown.
//
//   mini_quality PROMPTS_FI ANSWERS_FI PROMPTS_EN ANSWERS_EN [RESULT.json]
//
// A prompt's "answer" field names a language that the answer may have besides the prompt's (translations: a word, or a
// sentence around it). Such answers hold words of two languages, and their spelling is not judged.
// Answers without three words of letters are too short to tell the language of; they are counted as right
// unless fastText is sure that they are in the other of the two, and the table says how many they are.
#include <dlfcn.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <exception>
#include <fstream>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "data/corpus/document.h"
#include "eval/eval_data.h"
#include "text/language.h"
#include "text/unicode.h"

namespace poro {
namespace {

// Debian's libvoikko, opened at run time: only this tool wants it.
class Speller {
 public:
  Speller() : library_(::dlopen("libvoikko.so.1", RTLD_NOW)) {
    if (library_ == nullptr) return;
    using Init = void* (*)(const char** error, const char* language, const char* path);
    const char* error = nullptr;
    handle_ = reinterpret_cast<Init>(::dlsym(library_, "voikkoInit"))(&error, "fi", nullptr);
    spell_ = reinterpret_cast<Spell>(::dlsym(library_, "voikkoSpellCstr"));
  }
  ~Speller() {
    if (handle_ == nullptr) return;
    using Terminate = void (*)(void* handle);
    reinterpret_cast<Terminate>(::dlsym(library_, "voikkoTerminate"))(handle_);
  }
  Speller(const Speller&) = delete;
  Speller& operator=(const Speller&) = delete;
  bool is_there() const { return handle_ != nullptr && spell_ != nullptr; }
  bool knows(const std::string& word) const { return spell_(handle_, word.c_str()) != 0; }

 private:
  using Spell = int (*)(void* handle, const char* word);

  void* library_;
  void* handle_ = nullptr;
  Spell spell_ = nullptr;
};

struct Answer {
  std::string prompt, text, wanted, allowed, found;
  bool is_short = false, is_in_language = false, has_ended = false;
  std::vector<std::string> misspelt = {};

  bool may_be_spelt() const { return wanted == "fi" && allowed == "fi"; }
};

// Words as they are written: letters, with hyphens and apostrophes inside.
std::vector<std::string> written_words(std::string_view text) {
  const UnicodeTables& tables = UnicodeTables::get();
  std::vector<std::string> words;
  std::string word;
  const auto end_word = [&] {
    while (!word.empty() && (word.back() == '-' || word.back() == '\'')) word.pop_back();
    if (!word.empty()) words.push_back(word);
    word.clear();
  };
  while (!text.empty()) {
    const Utf8Char c = decode_utf8(text);
    const bool joins = !word.empty() && (c.code_point == '-' || c.code_point == '\'');
    if (tables.is_letter(c.code_point) || joins)
      word.append(text.substr(0, c.length));
    else
      end_word();
    text.remove_prefix(c.length);
  }
  end_word();
  return words;
}

std::vector<nlohmann::json> json_lines(const std::string& path) {
  std::ifstream file(path);
  if (!file) fail("cannot open {}", path);
  std::vector<nlohmann::json> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(parse_json(line, path));
  return lines;
}

std::vector<Answer> judge(const std::string& prompts_path, const std::string& answers_path,
                          const std::string& language, const LanguageIdentifier& identifier,
                          const Speller& speller) {
  const std::vector<nlohmann::json> prompts = json_lines(prompts_path), answers = json_lines(answers_path);
  if (prompts.size() != answers.size())
    fail("{} has {} prompts and {} has {} answers", prompts_path, prompts.size(), answers_path,
         answers.size());
  std::vector<Answer> judged;
  for (size_t i = 0; i < prompts.size(); ++i) {
    Answer answer{.prompt = prompts[i].at("messages").at(0).at("content"),
                  .text = answers[i].at("text"),
                  .wanted = language,
                  .allowed = prompts[i].value("answer", language),
                  .found = ""};
    answer.has_ended = answers[i].at("finish_reason") == "stop";
    const std::vector<std::string> words = written_words(answer.text);
    const auto guess = identifier.identify(answer.text);
    answer.found = guess ? guess->language : "";
    answer.is_short = words.size() < 3;
    const std::string other = answer.wanted == "fi" ? "en" : "fi";
    answer.is_in_language = answer.found == answer.wanted || answer.found == answer.allowed ||
                            (answer.is_short && !(answer.found == other && guess->probability > 0.9));
    if (answer.may_be_spelt() && speller.is_there())
      for (const std::string& word : words)
        if (!speller.knows(word)) answer.misspelt.push_back(word);
    judged.push_back(std::move(answer));
  }
  return judged;
}

struct Shares {
  double in_language = 0, ended = 0, spelt = 0;
  int64_t count = 0, too_short = 0, finnish = 0;
};

Shares shares_of(const std::vector<Answer>& answers) {
  Shares shares;
  for (const Answer& answer : answers) {
    ++shares.count;
    shares.in_language += answer.is_in_language;
    shares.ended += answer.has_ended;
    shares.too_short += answer.is_short;
    if (!answer.may_be_spelt()) continue;
    ++shares.finnish;
    shares.spelt += answer.misspelt.empty();
  }
  shares.in_language /= static_cast<double>(shares.count);
  shares.ended /= static_cast<double>(shares.count);
  shares.spelt /= static_cast<double>(std::max<int64_t>(shares.finnish, 1));
  return shares;
}

std::string cell(std::string text) {
  for (size_t at = 0; (at = text.find_first_of("\n|", at)) != text.npos; ++at)
    text[at] = text[at] == '|' ? '/' : ' ';
  return text;
}

// Every tenth, whatever it is like.
std::string examples(const std::vector<Answer>& answers, const std::string& title) {
  std::string text = fmt::format(
      "\n### {}\n\nEvery tenth prompt, good and bad.\n\n| prompt | answer |\n| --- | --- |\n", title);
  for (size_t i = 4; i < answers.size(); i += 10)
    text += fmt::format("| {} | {} |\n", cell(answers[i].prompt), cell(answers[i].text));
  return text;
}

void run(const std::vector<std::string>& arguments) {
  if (arguments.size() < 4)
    fail("usage: mini_quality PROMPTS_FI ANSWERS_FI PROMPTS_EN ANSWERS_EN [RESULT.json]");
  const LanguageIdentifier identifier(eval_data_file("lid.176.ftz"));
  const Speller speller;
  if (!speller.is_there())
    fmt::print(stderr, "mini_quality: no libvoikko with a Finnish dictionary; spelling is not judged\n");
  const std::vector<Answer> fi = judge(arguments[0], arguments[1], "fi", identifier, speller);
  const std::vector<Answer> en = judge(arguments[2], arguments[3], "en", identifier, speller);
  const Shares finnish = shares_of(fi), english = shares_of(en);
  const auto percent = [](double share) { return fmt::format("{:.0f} %", 100 * share); };
  fmt::print(
      "## Answers to {} Finnish and {} English prompts\n\n| | Finnish | English |\n| --- | ---: | ---: |\n",
      finnish.count, english.count);
  fmt::print("| in the language of the prompt | {} | {} |\n", percent(finnish.in_language),
             percent(english.in_language));
  fmt::print("| of those, too short to tell | {} | {} |\n", finnish.too_short, english.too_short);
  fmt::print("| ended by themselves | {} | {} |\n", percent(finnish.ended), percent(english.ended));
  if (speller.is_there())
    fmt::print("| answers in Finnish without a word that Voikko does not know | {} of {} | |\n",
               percent(finnish.spelt), finnish.finnish);
  fmt::print("{}{}", examples(fi, "Finnish"), examples(en, "English"));
  for (const std::vector<Answer>* answers : {&fi, &en})
    for (const Answer& answer : *answers)
      if (!answer.is_in_language || !answer.has_ended || !answer.misspelt.empty())
        fmt::print(stderr, "{}: {} | {} | {}{}\n", answer.found, answer.prompt, cell(answer.text),
                   fmt::join(answer.misspelt, " "), answer.has_ended ? "" : " | no end");
  if (arguments.size() < 5) return;
  const auto json = [&](const Shares& shares) {
    nlohmann::ordered_json result = {{"prompts", shares.count},
                                     {"in_language", shares.in_language},
                                     {"too_short", shares.too_short},
                                     {"ended", shares.ended}};
    if (speller.is_there() && shares.finnish > 0) result["spelt"] = shares.spelt;
    return result;
  };
  write_file_atomic(arguments[4],
                    nlohmann::ordered_json{{"fi", json(finnish)}, {"en", json(english)}}.dump(2) + "\n");
}

}  // namespace
}  // namespace poro

int main(int argc, char** argv) {
  try {
    poro::run({argv + 1, argv + argc});
  } catch (const std::exception& error) {
    fmt::print(stderr, "mini_quality: {}\n", error.what());
    return 2;
  }
  return 0;
}
