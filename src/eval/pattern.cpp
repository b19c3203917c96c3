#include "eval/pattern.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/error.h"

namespace poro {
namespace {

// White space and word characters as Python has them, written out: PCRE2 leaves out U+001C..U+001F, takes
// U+180E for white space, and from 10.43 on counts marks as parts of words.
constexpr const char* kSpaces =
    R"(\t-\r\x{1C}-\x{20}\x{85}\x{A0}\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}\x{3000})";
constexpr const char* kWordCharacters = R"(\p{L}\p{N}_)";
// To Python these are one letter where case does not count.
constexpr std::string_view kLettersI[] = {"i", "I", "ı", "İ"};

// What stands at the front of `rest`, in PCRE2's words; and how many bytes it takes.
struct Piece {
  std::string text;
  size_t size;
};
Piece translated_piece(std::string_view rest, bool in_class, unsigned flags) {
  const auto set = [&](const char* members, const char* open) {
    return Piece{in_class ? members : fmt::format("{}{}]", open, members), 2};
  };
  if (rest.starts_with("\\s")) return set(kSpaces, "[");
  if (rest.starts_with("\\w")) return set(kWordCharacters, "[");
  if (!in_class && rest.starts_with("\\S")) return set(kSpaces, "[^");
  if (!in_class && rest.starts_with("\\W")) return set(kWordCharacters, "[^");
  if (rest[0] == '\\') return {std::string(rest.substr(0, 2)), 2};
  if (rest.starts_with("(?")) return {std::string(rest.substr(0, 3)), 3};  // No letter, but a flag.
  if (flags & Pattern::kIgnoreCase)
    for (const std::string_view letter : kLettersI)
      if (rest.starts_with(letter)) return {in_class ? "iIıİ" : "[iIıİ]", letter.size()};
  return {std::string(rest.substr(0, 1)), 1};
}

std::string translated(std::string_view expression, unsigned flags) {
  std::string result;
  bool in_class = false;
  for (size_t at = 0; at < expression.size();) {
    const std::string_view rest = expression.substr(at);
    const Piece piece = translated_piece(rest, in_class, flags);
    result += piece.text;
    at += piece.size;
    if (!in_class && rest[0] == '[') {
      in_class = true;
      // A bracket that comes first is a member.
      for (const char first : {'^', ']'})
        if (at < expression.size() && expression[at] == first) result += expression[at++];
    } else if (rest[0] == ']') {
      in_class = false;
    }
  }
  return result;
}

}  // namespace

struct Pattern::Compiled {
  pcre2_code* code = nullptr;
  pcre2_match_data* match = nullptr;
  std::string expression;
  ~Compiled() {
    pcre2_match_data_free(match);
    pcre2_code_free(code);
  }
};

Pattern::~Pattern() = default;
Pattern::Pattern(Pattern&&) noexcept = default;
Pattern& Pattern::operator=(Pattern&&) noexcept = default;

Pattern::Pattern(std::string_view expression, unsigned flags) : compiled_(std::make_unique<Compiled>()) {
  uint32_t options = PCRE2_UTF | PCRE2_UCP;
  if (flags & kIgnoreCase) options |= PCRE2_CASELESS;
  if (flags & kMultiLine) options |= PCRE2_MULTILINE | PCRE2_ALT_CIRCUMFLEX;
  compiled_->expression = expression;
  pcre2_compile_context* context = pcre2_compile_context_create(nullptr);
  pcre2_set_newline(context, PCRE2_NEWLINE_LF);
  int error = 0;
  PCRE2_SIZE offset = 0;
  const std::string ours = translated(expression, flags);
  compiled_->code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(ours.data()), ours.size(), options, &error,
                                  &offset, context);
  pcre2_compile_context_free(context);
  if (compiled_->code == nullptr) {
    PCRE2_UCHAR message[256];
    pcre2_get_error_message(error, message, sizeof message);
    fail("\"{}\" is no regular expression ({}); correct it, or escape its special characters", expression,
         reinterpret_cast<const char*>(message));
  }
  pcre2_jit_compile(compiled_->code, PCRE2_JIT_COMPLETE);  // Without JIT support the interpreter runs.
  compiled_->match = pcre2_match_data_create_from_pattern(compiled_->code, nullptr);
}

void Pattern::for_each(std::string_view text, const std::function<void(const Groups&)>& visit) const {
  const auto* subject = reinterpret_cast<PCRE2_SPTR>(text.data());
  PCRE2_SIZE at = 0;
  uint32_t options = 0;
  Groups groups;
  while (at <= text.size()) {
    const int count =
        pcre2_match(compiled_->code, subject, text.size(), at, options, compiled_->match, nullptr);
    if (count == PCRE2_ERROR_NOMATCH) {
      if (options == 0) return;
      // After an empty match nothing longer starts here: go on at the next character.
      do ++at;
      while (at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0u) == 0x80u);
      options = 0;
      continue;
    }
    if (count < 0)
      fail(
          "matching \"{}\" failed (PCRE2 error {}); the text is not UTF-8, or the expression needs too many "
          "steps",
          compiled_->expression, count);
    const PCRE2_SIZE* span = pcre2_get_ovector_pointer(compiled_->match);
    groups.assign(pcre2_get_ovector_count(compiled_->match), {});
    for (int i = 0; i < count; ++i)
      if (span[2 * i] != PCRE2_UNSET) groups[i] = text.substr(span[2 * i], span[2 * i + 1] - span[2 * i]);
    const PCRE2_SIZE end = span[1];
    options = span[0] == end ? PCRE2_NOTEMPTY_ATSTART | PCRE2_ANCHORED : 0;
    visit(groups);
    at = end;
  }
}

bool Pattern::found_in(std::string_view text) const {
  const int count = pcre2_match(compiled_->code, reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), 0, 0,
                                compiled_->match, nullptr);
  if (count < 0 && count != PCRE2_ERROR_NOMATCH)
    fail(
        "matching \"{}\" failed (PCRE2 error {}); the text is not UTF-8, or the expression needs too many "
        "steps",
        compiled_->expression, count);
  return count >= 0;
}

size_t Pattern::count_in(std::string_view text) const {
  size_t count = 0;
  for_each(text, [&](const Groups&) { ++count; });
  return count;
}

std::vector<std::string_view> Pattern::all_in(std::string_view text) const {
  std::vector<std::string_view> matches;
  for_each(text, [&](const Groups& groups) { matches.push_back(groups[0]); });
  return matches;
}

std::vector<std::string_view> Pattern::split(std::string_view text) const {
  std::vector<std::string_view> pieces;
  const char* begin = text.data();
  for_each(text, [&](const Groups& groups) {
    pieces.emplace_back(begin, groups[0].data() - begin);
    begin = groups[0].data() + groups[0].size();
  });
  pieces.emplace_back(begin, text.data() + text.size() - begin);
  return pieces;
}

std::string Pattern::replaced(std::string_view text, const std::string& replacement) const {
  std::string result;
  const char* begin = text.data();
  for_each(text, [&](const Groups& groups) {
    result.append(begin, groups[0].data());
    for (size_t i = 0; i < replacement.size(); ++i) {
      const bool is_group = replacement[i] == '$' && i + 1 < replacement.size() &&
                            static_cast<unsigned>(replacement[i + 1] - '0') < groups.size();
      if (is_group)
        result += groups[static_cast<size_t>(replacement[++i] - '0')];
      else
        result += replacement[i];
    }
    begin = groups[0].data() + groups[0].size();
  });
  return result.append(begin, text.data() + text.size());
}

}  // namespace poro
