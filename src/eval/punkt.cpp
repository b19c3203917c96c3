#include "eval/punkt.h"

#include <nlohmann/json.hpp>
#include <optional>

#include "base/error.h"
#include "base/file.h"
#include "eval/python_text.h"

namespace poro {
namespace {

constexpr const char* kNumber = "##number##";

// A character that ends a word, and a run of marks that is one token: dashes, an ellipsis, a spaced ellipsis.
constexpr const char* kNonWord = R"re((?:[?!)";}\]*:@'({\[]))re";
constexpr const char* kMarks = R"((?:-{2,}|\.{2,}|(?:\.\s){2,}\.))";

std::string word_expression() {
  const std::string end = fmt::format("\\s|$|{}|{}", kNonWord, kMarks);
  return std::string(kMarks) + R"re(|(?=[^("`{\[:;&#*@)}\]\-,])\S+?(?=)re" + end + "|,(?=" + end +
         R"re())|\S)re";
}

template <class Set>
Set keys_of(const nlohmann::json& object) {
  Set keys;
  for (const auto& [key, value] : object.items()) keys.insert(key);
  return keys;
}

}  // namespace

PunktModel load_punkt_model(const std::filesystem::path& path) {
  try {
    const nlohmann::json json = nlohmann::json::parse(read_file(path));
    PunktModel model;
    model.abbreviations = keys_of<std::unordered_set<std::string>>(json.at("AbbrevTypes"));
    model.collocations = keys_of<std::unordered_set<std::string>>(json.at("Collocations"));
    model.sentence_starters = keys_of<std::unordered_set<std::string>>(json.at("SentStarters"));
    model.contexts = json.at("OrthoContext").get<std::unordered_map<std::string, int>>();
    return model;
  } catch (const nlohmann::json::exception& error) {
    fail("{} is no Punkt model ({}); run tools/install-eval-data again", path.string(), error.what());
  }
}

struct Punkt::Token {
  std::string text;
  std::string type;  // Lower case, numbers made one.
  bool ends_in_period = false, is_initial = false, is_ellipsis = false;
  bool starts_upper = false, starts_lower = false;
  bool is_abbreviation = false, is_break = false;

  std::string type_without_period() const {
    return type.size() > 1 && type.back() == '.' ? type.substr(0, type.size() - 1) : type;
  }
  std::string type_without_break() const { return is_break ? type_without_period() : type; }
};

Punkt::Punkt(PunktModel model)
    : model_(std::move(model)),
      word_(word_expression()),
      candidate_(std::string("[.?!](?=(") + kNonWord + R"(|\s+(\S+))))"),
      closing_(R"(\A["')\]}]+?(?:\s+|(?=--)|$))", Pattern::kMultiLine),
      numeric_(R"(^-?[.,]?\d[\d,.\-]*\.?$)"),
      initial_(R"(\A[^\W\d]\.$)") {}

std::vector<std::string_view> Punkt::sentences(std::string_view text) const {
  struct Slice {
    size_t begin, end;
  };
  std::vector<Slice> slices;
  size_t begin = 0;
  for (const Candidate& candidate : candidates(text)) {
    if (!ends_sentence(candidate.context)) continue;
    slices.push_back({begin, candidate.end});
    begin = candidate.next_begin;
  }
  const std::string_view stripped = python::strip(text);
  const size_t end =
      stripped.empty() ? 0 : static_cast<size_t>(stripped.data() + stripped.size() - text.data());
  slices.push_back({begin, end});

  // Closing quotes and brackets that follow the mark belong to the sentence that it ends.
  const auto piece = [&](const Slice& slice) {
    return text.substr(slice.begin, slice.begin < slice.end ? slice.end - slice.begin : 0);
  };
  std::vector<std::string_view> result;
  size_t moved = 0;
  for (size_t i = 0; i < slices.size(); ++i) {
    const Slice first{slices[i].begin + moved, slices[i].end};
    const std::vector<std::string_view> closing =
        i + 1 < slices.size() ? closing_.all_in(piece(slices[i + 1])) : std::vector<std::string_view>{};
    if (!closing.empty()) {
      const std::string_view marks =
          python::strip(closing[0]);  // It begins with a mark, so only its end is cut.
      result.push_back(piece({first.begin, slices[i + 1].begin + marks.size()}));
      moved = closing[0].size();
      continue;
    }
    moved = 0;
    if (first.begin < first.end) result.push_back(piece(first));
  }
  return result;
}

std::vector<Punkt::Candidate> Punkt::candidates(std::string_view text) const {
  std::vector<Candidate> found;
  // The word before the mark reaches back to the last ASCII white space, but not into the last word looked
  // at; of marks in one word only the last counts. White space as the very first character is overlooked: the
  // original takes its index, 0, for "none".
  struct Word {
    size_t begin = 0, end = 0;
  } last;
  std::optional<Candidate> pending;
  candidate_.for_each(text, [&](const Pattern::Groups& groups) {
    const size_t mark = static_cast<size_t>(groups[0].data() - text.data());
    const std::string_view before = text.substr(last.end, mark - last.end);
    const size_t space = before.find_last_of(" \t\n\r\x0b\x0c");
    const bool has_space = space != std::string_view::npos && space > 0;
    const Word word{has_space ? last.end + space + 1 : last.begin, mark};
    if (pending && last.end <= word.begin) found.push_back(*pending);
    const bool has_next = groups[2].data() != nullptr;
    const size_t context_end = static_cast<size_t>(groups[1].data() + groups[1].size() - text.data());
    pending =
        Candidate{.end = mark + 1,
                  .next_begin = has_next ? static_cast<size_t>(groups[2].data() - text.data()) : mark + 1,
                  .context = text.substr(word.begin, context_end - word.begin)};
    last = word;
  });
  if (pending) found.push_back(*pending);
  return found;
}

std::vector<Punkt::Token> Punkt::tokens(std::string_view context) const {
  std::vector<Token> result;
  for (const std::string_view line : python::split(context, "\n")) {
    for (const std::string_view word : word_.all_in(line)) {
      Token token;
      token.text = word;
      token.type = numeric_.replaced(python::lower(word), kNumber);
      token.ends_in_period = word.ends_with('.');
      token.is_initial = initial_.found_in(word);
      const std::string_view first = python::first_character(word);
      token.starts_upper = python::is_upper(first);
      token.starts_lower = python::is_lower(first);
      if (word == "." || word == "?" || word == "!") {
        token.is_break = true;
      } else if (word.size() > 1 && word.find_first_not_of('.') == std::string_view::npos) {
        token.is_ellipsis = true;
      } else if (token.ends_in_period && !word.ends_with("..")) {
        const std::string stem = python::lower(word.substr(0, word.size() - 1));
        token.is_abbreviation = model_.abbreviations.contains(stem) ||
                                model_.abbreviations.contains(stem.substr(stem.rfind('-') + 1));
        token.is_break = !token.is_abbreviation;
      }
      result.push_back(std::move(token));
    }
  }
  return result;
}

bool Punkt::ends_sentence(std::string_view context) const {
  std::vector<Token> all = tokens(context);
  for (size_t i = 0; i + 1 < all.size(); ++i) {
    judge(all[i], all[i + 1]);
    if (all[i].is_break) return true;
  }
  return false;
}

void Punkt::judge(Token& token, const Token& next) const {
  if (!token.ends_in_period) return;
  const std::string type = token.type_without_period(), next_type = next.type_without_break();
  const auto is_abbreviation = [&token] {
    token.is_break = false;
    token.is_abbreviation = true;
  };
  if (model_.collocations.contains(type + "," + next_type)) return is_abbreviation();

  if ((token.is_abbreviation || token.is_ellipsis) && !token.is_initial) {
    if (starts_sentence(next) == Start::kYes ||
        (next.starts_upper && model_.sentence_starters.contains(next_type))) {
      token.is_break = true;
      return;
    }
  }
  if (token.is_initial || type == kNumber) {
    const Start start = starts_sentence(next);
    const bool is_name = start == Start::kUnknown && token.is_initial && next.starts_upper &&
                         !(context_of(next_type) & PunktModel::kAnyLower);
    if (start == Start::kNo || is_name) is_abbreviation();
  }
}

Punkt::Start Punkt::starts_sentence(const Token& token) const {
  static constexpr std::string_view kPunctuation = ";:,.!?";
  if (token.text.size() == 1 && kPunctuation.find(token.text) != std::string_view::npos) return Start::kNo;
  const int context = context_of(token.type_without_break());
  if (token.starts_upper && (context & PunktModel::kAnyLower) && !(context & PunktModel::kMiddleUpper))
    return Start::kYes;
  if (token.starts_lower && ((context & PunktModel::kAnyUpper) || !(context & PunktModel::kStartLower)))
    return Start::kNo;
  return Start::kUnknown;
}

int Punkt::context_of(const std::string& type) const {
  const auto found = model_.contexts.find(type);
  return found == model_.contexts.end() ? 0 : found->second;
}

}  // namespace poro
