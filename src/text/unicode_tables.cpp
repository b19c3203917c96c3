// The category of every code point in Unicode 16: ICU's answer for what Unicode 15 knew, and the list below
// for what came after.
#include <unicode/uchar.h>

#include <algorithm>
#include <map>

#include "text/unicode.h"

namespace poro {
namespace {

struct CategoryRun {
  char32_t first, last;
  UCharCategory category;
};

// Where Unicode 16 differs from Unicode 15.0, the version of Debian 12's ICU. Found by asking the reference's
// regular expressions for the category of every code point; tools/tokenizer_differential.mjs asks again.
constexpr CategoryRun kSinceUnicode15[] = {
    {0x897, 0x897, U_NON_SPACING_MARK},
    {0x1B4E, 0x1B4F, U_OTHER_PUNCTUATION},
    {0x1B7F, 0x1B7F, U_OTHER_PUNCTUATION},
    {0x1C89, 0x1C89, U_UPPERCASE_LETTER},
    {0x1C8A, 0x1C8A, U_LOWERCASE_LETTER},
    {0x2427, 0x2429, U_OTHER_SYMBOL},
    {0x2FFC, 0x2FFF, U_OTHER_SYMBOL},
    {0x31E4, 0x31E5, U_OTHER_SYMBOL},
    {0x31EF, 0x31EF, U_OTHER_SYMBOL},
    {0xA7CB, 0xA7CC, U_UPPERCASE_LETTER},
    {0xA7CD, 0xA7CD, U_LOWERCASE_LETTER},
    {0xA7DA, 0xA7DA, U_UPPERCASE_LETTER},
    {0xA7DB, 0xA7DB, U_LOWERCASE_LETTER},
    {0xA7DC, 0xA7DC, U_UPPERCASE_LETTER},
    {0x105C0, 0x105F3, U_OTHER_LETTER},
    {0x10D40, 0x10D49, U_DECIMAL_DIGIT_NUMBER},
    {0x10D4A, 0x10D4D, U_OTHER_LETTER},
    {0x10D4E, 0x10D4E, U_MODIFIER_LETTER},
    {0x10D4F, 0x10D4F, U_OTHER_LETTER},
    {0x10D50, 0x10D65, U_UPPERCASE_LETTER},
    {0x10D69, 0x10D6D, U_NON_SPACING_MARK},
    {0x10D6E, 0x10D6E, U_DASH_PUNCTUATION},
    {0x10D6F, 0x10D6F, U_MODIFIER_LETTER},
    {0x10D70, 0x10D85, U_LOWERCASE_LETTER},
    {0x10D8E, 0x10D8F, U_MATH_SYMBOL},
    {0x10EC2, 0x10EC4, U_OTHER_LETTER},
    {0x10EFC, 0x10EFC, U_NON_SPACING_MARK},
    {0x11380, 0x11389, U_OTHER_LETTER},
    {0x1138B, 0x1138B, U_OTHER_LETTER},
    {0x1138E, 0x1138E, U_OTHER_LETTER},
    {0x11390, 0x113B5, U_OTHER_LETTER},
    {0x113B7, 0x113B7, U_OTHER_LETTER},
    {0x113B8, 0x113BA, U_COMBINING_SPACING_MARK},
    {0x113BB, 0x113C0, U_NON_SPACING_MARK},
    {0x113C2, 0x113C2, U_COMBINING_SPACING_MARK},
    {0x113C5, 0x113C5, U_COMBINING_SPACING_MARK},
    {0x113C7, 0x113CA, U_COMBINING_SPACING_MARK},
    {0x113CC, 0x113CD, U_COMBINING_SPACING_MARK},
    {0x113CE, 0x113CE, U_NON_SPACING_MARK},
    {0x113CF, 0x113CF, U_COMBINING_SPACING_MARK},
    {0x113D0, 0x113D0, U_NON_SPACING_MARK},
    {0x113D1, 0x113D1, U_OTHER_LETTER},
    {0x113D2, 0x113D2, U_NON_SPACING_MARK},
    {0x113D3, 0x113D3, U_OTHER_LETTER},
    {0x113D4, 0x113D5, U_OTHER_PUNCTUATION},
    {0x113D7, 0x113D8, U_OTHER_PUNCTUATION},
    {0x113E1, 0x113E2, U_NON_SPACING_MARK},
    {0x116D0, 0x116E3, U_DECIMAL_DIGIT_NUMBER},
    {0x1171E, 0x1171E, U_COMBINING_SPACING_MARK},
    {0x11BC0, 0x11BE0, U_OTHER_LETTER},
    {0x11BE1, 0x11BE1, U_OTHER_PUNCTUATION},
    {0x11BF0, 0x11BF9, U_DECIMAL_DIGIT_NUMBER},
    {0x11F5A, 0x11F5A, U_NON_SPACING_MARK},
    {0x13460, 0x143FA, U_OTHER_LETTER},
    {0x16100, 0x1611D, U_OTHER_LETTER},
    {0x1611E, 0x16129, U_NON_SPACING_MARK},
    {0x1612A, 0x1612C, U_COMBINING_SPACING_MARK},
    {0x1612D, 0x1612F, U_NON_SPACING_MARK},
    {0x16130, 0x16139, U_DECIMAL_DIGIT_NUMBER},
    {0x16D40, 0x16D42, U_MODIFIER_LETTER},
    {0x16D43, 0x16D6A, U_OTHER_LETTER},
    {0x16D6B, 0x16D6C, U_MODIFIER_LETTER},
    {0x16D6D, 0x16D6F, U_OTHER_PUNCTUATION},
    {0x16D70, 0x16D79, U_DECIMAL_DIGIT_NUMBER},
    {0x18CFF, 0x18CFF, U_OTHER_LETTER},
    {0x1CC00, 0x1CCEF, U_OTHER_SYMBOL},
    {0x1CCF0, 0x1CCF9, U_DECIMAL_DIGIT_NUMBER},
    {0x1CD00, 0x1CEB3, U_OTHER_SYMBOL},
    {0x1E5D0, 0x1E5ED, U_OTHER_LETTER},
    {0x1E5EE, 0x1E5EF, U_NON_SPACING_MARK},
    {0x1E5F0, 0x1E5F0, U_OTHER_LETTER},
    {0x1E5F1, 0x1E5FA, U_DECIMAL_DIGIT_NUMBER},
    {0x1E5FF, 0x1E5FF, U_OTHER_PUNCTUATION},
    {0x1F8B2, 0x1F8BB, U_OTHER_SYMBOL},
    {0x1F8C0, 0x1F8C1, U_OTHER_SYMBOL},
    {0x1FA89, 0x1FA89, U_OTHER_SYMBOL},
    {0x1FA8F, 0x1FA8F, U_OTHER_SYMBOL},
    {0x1FABE, 0x1FABE, U_OTHER_SYMBOL},
    {0x1FAC6, 0x1FAC6, U_OTHER_SYMBOL},
    {0x1FADC, 0x1FADC, U_OTHER_SYMBOL},
    {0x1FADF, 0x1FADF, U_OTHER_SYMBOL},
    {0x1FAE9, 0x1FAE9, U_OTHER_SYMBOL},
    {0x1FBCB, 0x1FBEF, U_OTHER_SYMBOL},
    {0x2EBF0, 0x2EE5D, U_OTHER_LETTER},
};
constexpr uint8_t kReferenceVersion[] = {16, 0};

bool is_newer_than_reference(char32_t code_point) {
  UVersionInfo age;
  u_charAge(static_cast<UChar32>(code_point), age);
  return age[0] > kReferenceVersion[0] || (age[0] == kReferenceVersion[0] && age[1] > kReferenceVersion[1]);
}

CharClass class_of(char32_t code_point, uint8_t category) {
  if (code_point == '\r' || code_point == '\n') return CharClass::kNewline;
  if (u_isUWhiteSpace(static_cast<UChar32>(code_point))) return CharClass::kSpace;
  const uint32_t mask = U_MASK(category);
  if ((mask & U_GC_L_MASK) != 0) return CharClass::kLetter;
  if ((mask & U_GC_N_MASK) != 0) return CharClass::kNumber;
  return CharClass::kOther;
}

}  // namespace

UnicodeTables::UnicodeTables() {
  std::vector<uint8_t> all(kNumCodePoints);
  u_enumCharTypes(
      [](const void* context, UChar32 first, UChar32 limit, UCharCategory category) -> UBool {
        std::fill_n(static_cast<uint8_t*>(const_cast<void*>(context)) + first, limit - first,
                    static_cast<uint8_t>(category));
        return true;
      },
      all.data());
  UVersionInfo icu;
  u_getUnicodeVersion(icu);
  if (icu[0] > kReferenceVersion[0])
    for (char32_t c = 0; c < kNumCodePoints; ++c)
      if (all[c] != U_UNASSIGNED && is_newer_than_reference(c)) all[c] = U_UNASSIGNED;
  for (const CategoryRun& run : kSinceUnicode15)
    for (char32_t c = run.first; c <= run.last; ++c) all[c] = static_cast<uint8_t>(run.category);

  std::map<std::string_view, uint16_t> known;  // Views into `all`.
  for (size_t block = 0; block < blocks_.size(); ++block) {
    const uint8_t* categories = all.data() + (block << 8);
    const std::string_view content(reinterpret_cast<const char*>(categories), 256);
    // White space is no category, so the first 0x31 blocks, which hold all of it, stay apart.
    const bool may_hold_space = block <= 0x30;
    const auto found = known.find(content);
    if (!may_hold_space && found != known.end()) {
      blocks_[block] = found->second;
      continue;
    }
    blocks_[block] = static_cast<uint16_t>(categories_.size() >> 8);
    if (!may_hold_space) known.emplace(content, blocks_[block]);
    for (size_t i = 0; i < 256; ++i) {
      categories_.push_back(categories[i]);
      classes_.push_back(class_of(static_cast<char32_t>(block << 8 | i), categories[i]));
    }
  }
}

const UnicodeTables& UnicodeTables::get() {
  static const UnicodeTables tables;
  return tables;
}

bool UnicodeTables::is_punctuation(char32_t code_point) const {
  return (U_MASK(category(code_point)) & U_GC_P_MASK) != 0;
}

bool UnicodeTables::is_word(char32_t code_point) const {
  constexpr uint32_t kWord = U_GC_L_MASK | U_GC_M_MASK | U_GC_ND_MASK | U_GC_NL_MASK | U_GC_PC_MASK;
  constexpr std::pair<char32_t, char32_t> kLettersInCirclesAndSquares[] = {
      {0x24B6, 0x24E9}, {0x1F130, 0x1F149}, {0x1F150, 0x1F169}, {0x1F170, 0x1F189}};
  if ((U_MASK(category(code_point)) & kWord) != 0) return true;
  for (const auto& [first, last] : kLettersInCirclesAndSquares)
    if (code_point >= first && code_point <= last) return true;
  return false;
}

}  // namespace poro
