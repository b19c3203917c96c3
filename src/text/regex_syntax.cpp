#include "text/regex_syntax.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <unicode/uchar.h>
#include <unicode/uscript.h>

#include <functional>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "base/error.h"
#include "text/unicode.h"

namespace poro {
namespace {

using Membership = std::function<bool(char32_t)>;

// The general categories of Unicode by their short names, one letter for a group.
std::optional<uint32_t> category_mask(std::string_view name) {
  static const std::map<std::string_view, uint32_t> masks = {
      {"L", U_GC_L_MASK},           {"Lu", U_GC_LU_MASK},    {"Ll", U_GC_LL_MASK},
      {"Lt", U_GC_LT_MASK},         {"Lm", U_GC_LM_MASK},    {"Lo", U_GC_LO_MASK},
      {"M", U_GC_M_MASK},           {"Mn", U_GC_MN_MASK},    {"Me", U_GC_ME_MASK},
      {"Mc", U_GC_MC_MASK},         {"N", U_GC_N_MASK},      {"Nd", U_GC_ND_MASK},
      {"Nl", U_GC_NL_MASK},         {"No", U_GC_NO_MASK},    {"P", U_GC_P_MASK},
      {"Pc", U_GC_PC_MASK},         {"Pd", U_GC_PD_MASK},    {"Ps", U_GC_PS_MASK},
      {"Pe", U_GC_PE_MASK},         {"Pi", U_GC_PI_MASK},    {"Pf", U_GC_PF_MASK},
      {"Po", U_GC_PO_MASK},         {"S", U_GC_S_MASK},      {"Sm", U_GC_SM_MASK},
      {"Sc", U_GC_SC_MASK},         {"Sk", U_GC_SK_MASK},    {"So", U_GC_SO_MASK},
      {"Z", U_GC_Z_MASK},           {"Zs", U_GC_ZS_MASK},    {"Zl", U_GC_ZL_MASK},
      {"Zp", U_GC_ZP_MASK},         {"C", U_GC_C_MASK},      {"Cc", U_GC_CC_MASK},
      {"Cf", U_GC_CF_MASK},         {"Co", U_GC_CO_MASK},    {"Cn", U_GC_CN_MASK},
      {"Letter", U_GC_L_MASK},      {"Mark", U_GC_M_MASK},   {"Number", U_GC_N_MASK},
      {"Punctuation", U_GC_P_MASK}, {"Symbol", U_GC_S_MASK}, {"Separator", U_GC_Z_MASK},
      {"Other", U_GC_C_MASK}};
  const auto found = masks.find(name);
  return found == masks.end() ? std::nullopt : std::optional(found->second);
}

Membership membership_of(std::string_view name) {
  if (const auto mask = category_mask(name))
    return [mask = *mask](char32_t c) { return (U_MASK(UnicodeTables::get().category(c)) & mask) != 0; };
  const int script = u_getPropertyValueEnum(UCHAR_SCRIPT, std::string(name).c_str());
  if (script == UCHAR_INVALID_CODE) fail("the regular expression property \\p{{{}}} is not supported", name);
  return [script](char32_t c) {
    if (c >= 0x2EBF0 && c <= 0x2EE5D) return script == USCRIPT_HAN;  // CJK extension I, of Unicode 15.1
    UErrorCode status = U_ZERO_ERROR;
    return uscript_getScript(static_cast<UChar32>(c), &status) == script;
  };
}

// The items of a character class that hold exactly the members, written as ranges.
std::string ranges_of(const Membership& is_member) {
  const auto is_listed = [&](char32_t c) { return !(c >= 0xD800 && c < 0xE000) && is_member(c); };
  std::string ranges;
  for (char32_t first = 0; first < kNumCodePoints; ++first) {
    if (!is_listed(first)) continue;
    char32_t last = first;
    while (last + 1 < kNumCodePoints && is_listed(last + 1)) ++last;
    ranges +=
        fmt::format("\\x{{{:x}}}-\\x{{{:x}}}", static_cast<uint32_t>(first), static_cast<uint32_t>(last));
    first = last;
  }
  return ranges;
}

// \w as Oniguruma has it: with ² ³ ¹ ¼ ½ ¾, though with no other number of their kind.
bool is_word(char32_t c) {
  return UnicodeTables::get().is_word(c) || c == 0xB2 || c == 0xB3 || c == 0xB9 || (c >= 0xBC && c <= 0xBE);
}

// The characters that an item of a class has in PCRE2's own tables, by code point; nothing if PCRE2 does not
// know the item.
std::vector<bool> members_in_pcre(std::string_view item) {
  static const std::string every_character = [] {
    std::string text;
    for (char32_t c = 0; c < kNumCodePoints; ++c)
      if (c < 0xD800 || c >= 0xE000) append_utf8(text, c);
    return text;
  }();
  const std::string pattern = fmt::format("[{}]+", item);
  const auto* subject = reinterpret_cast<PCRE2_SPTR>(every_character.data());
  int error = 0;
  PCRE2_SIZE at = 0;
  pcre2_code* code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(),
                                   PCRE2_UTF | PCRE2_UCP, &error, &at, nullptr);
  if (code == nullptr) return {};
  pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);
  pcre2_match_data* data = pcre2_match_data_create(1, nullptr);
  std::vector<bool> members(kNumCodePoints);
  PCRE2_SIZE end = 0;
  while (pcre2_match(code, subject, every_character.size(), end, PCRE2_NO_UTF_CHECK, data, nullptr) > 0) {
    const PCRE2_SIZE* range = pcre2_get_ovector_pointer(data);
    end = range[1];
    for (const char* c = every_character.data() + range[0]; c < every_character.data() + end;)
      members[next_code_point(c)] = true;
  }
  pcre2_match_data_free(data);
  pcre2_code_free(code);
  return members;
}

// A set of characters as items of a class: by its short name and the members that PCRE2's Unicode version
// lacks, or, where PCRE2 has members too many, by ranges alone.
std::string class_items(const std::string& item, const Membership& is_member) {
  const std::vector<bool> theirs = members_in_pcre(item);
  if (theirs.empty()) return ranges_of(is_member);
  for (char32_t c = 0; c < kNumCodePoints; ++c)
    if (theirs[c] && !is_member(c)) return ranges_of(is_member);
  return item + ranges_of([&](char32_t c) { return !theirs[c] && is_member(c); });
}

class Translator {
 public:
  explicit Translator(std::string_view pattern) : rest_(pattern) {}

  std::string run() {
    while (!rest_.empty()) step();
    return std::move(out_);
  }

 private:
  void step() {
    const char c = take();
    if (c == '\\') return escape();
    if (class_depth_ == 0) {
      if (c == '[') return open_class();
      if (c == '}' && rest_.starts_with("+"))
        fail("the nested quantifier {{n,m}}+ of a regular expression is not supported");
      if (c == '(' && rest_.starts_with("?m"))
        fail("the regular expression option (?m) of \"(?m{}\" is not supported", rest_.substr(2, 16));
      out_ += c;
      return;
    }
    if (c == '[') {
      if (rest_.starts_with(":")) return posix_class();
      return open_inner_class();
    }
    if (c == '&' && rest_.starts_with("&")) fail("the intersection && of character classes is not supported");
    if (c == ']' && --class_depth_ > 0) return close_inner_class();
    out_ += c;
  }

  char take() {
    const char c = rest_.front();
    rest_.remove_prefix(1);
    return c;
  }

  void open_class() {
    ++class_depth_;
    out_ += '[';
    if (rest_.starts_with("^")) out_ += take();
    if (rest_.starts_with("]")) rest_.remove_prefix(1), out_ += "\\]";
  }

  // A class inside a class adds its members, which are written beside the others: [^(\s|[.,])] is [^(\s|.,].
  // A hyphen that stands at an end of either is a character and must not come to join two of them.
  void open_inner_class() {
    if (rest_.starts_with("^") || out_.ends_with('-'))
      fail("this character class inside a character class is not supported: \"[{}\"", rest_.substr(0, 24));
    ++class_depth_;
    if (rest_.starts_with("]")) rest_.remove_prefix(1), out_ += "\\]";
    if (rest_.starts_with("-")) rest_.remove_prefix(1), out_ += "\\-";
  }
  void close_inner_class() {
    if (out_.ends_with('-') && !out_.ends_with("\\-")) out_.back() = '\\', out_ += '-';
    if (rest_.starts_with("-")) rest_.remove_prefix(1), out_ += "\\-";
  }

  void posix_class() {
    const size_t end = rest_.find(":]");
    if (end == std::string_view::npos) fail("a bracket expression \"[{}\" has no end", rest_.substr(0, 24));
    out_ += '[';
    out_ += rest_.substr(0, end + 2);
    rest_.remove_prefix(end + 2);
  }

  void escape() {
    if (rest_.empty()) fail("a regular expression ends in a backslash");
    const char c = take();
    switch (c) {
      case 'p':
      case 'P':
        return property(c == 'P');
      case 'd':
        return members(
            "\\d", [](char32_t x) { return UnicodeTables::get().category(x) == U_DECIMAL_DIGIT_NUMBER; },
            false);
      case 'D':
        return members(
            "\\d", [](char32_t x) { return UnicodeTables::get().category(x) == U_DECIMAL_DIGIT_NUMBER; },
            true);
      case 'w':
        return members("\\w", is_word, false);
      case 'W':
        return members("\\w", is_word, true);
      case 's':
        return members(
            "\\s", [](char32_t x) { return UnicodeTables::get().is_space(x); }, false);
      case 'S':
        return members(
            "\\s", [](char32_t x) { return UnicodeTables::get().is_space(x); }, true);
      case 'b':
      case 'B':
        return word_boundary(c == 'B');
      case 'h':
        out_ += class_depth_ > 0 ? "0-9a-fA-F" : "[0-9a-fA-F]";
        return;
      case 'u':
        return unicode_escape();
      case 'H':
      case 'G':
      case 'K':
      case 'X':
        fail("the regular expression escape \\{} is not supported", c);
      default:
        out_ += '\\', out_ += c;
    }
  }

  // Between a character of \w, marks included, and one that is none or an end. In a class \b is a backspace.
  void word_boundary(bool is_negated) {
    if (class_depth_ > 0) {
      out_ += is_negated ? "B" : "\\x08";
      return;
    }
    std::string before = std::exchange(out_, {});
    members("\\w", is_word, false);
    const std::string word = std::exchange(out_, std::move(before));
    out_ += is_negated ? fmt::format("(?:(?<={0})(?={0})|(?<!{0})(?!{0}))", word)
                       : fmt::format("(?:(?<={0})(?!{0})|(?<!{0})(?={0}))", word);
  }

  void unicode_escape() {
    if (rest_.size() < 4) fail("a regular expression's \\u needs four digits");
    out_ += "\\x{";
    out_ += rest_.substr(0, 4);
    out_ += '}';
    rest_.remove_prefix(4);
  }

  void property(bool is_negated) {
    std::string_view name;
    if (rest_.starts_with("{")) {
      const size_t end = rest_.find('}');
      if (end == std::string_view::npos) fail("a regular expression's \\p{{ has no closing brace");
      name = rest_.substr(1, end - 1);
      rest_.remove_prefix(end + 1);
    } else {
      name = rest_.substr(0, 1);
      if (!rest_.empty()) rest_.remove_prefix(1);
    }
    if (name.starts_with("^")) is_negated = !is_negated, name.remove_prefix(1);
    members(fmt::format("\\p{{{}}}", name), membership_of(name), is_negated);
  }

  void members(const std::string& item, const Membership& is_member, bool is_negated) {
    std::string& ranges = known_[item];
    if (ranges.empty()) ranges = class_items(item, is_member);
    if (class_depth_ == 0) {
      out_ += is_negated ? "[^" : "[";
      out_ += ranges;
      out_ += ']';
    } else if (!is_negated) {
      out_ += ranges;
    } else {
      std::string& inverse = known_["^" + item];
      if (inverse.empty()) inverse = ranges_of([&](char32_t c) { return !is_member(c); });
      out_ += inverse;
    }
  }

  std::string_view rest_;
  std::string out_;
  int class_depth_ = 0;
  std::map<std::string, std::string> known_;
};

}  // namespace

std::string translate_ruby_regex(std::string_view pattern) {
  return Translator(pattern).run();
}

}  // namespace poro
