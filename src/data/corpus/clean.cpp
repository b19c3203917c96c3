#include "data/corpus/clean.h"

#include <unicode/normalizer2.h>
#include <unicode/stringpiece.h>

#include <algorithm>

#include "base/error.h"
#include "text/unicode.h"

namespace poro {
namespace {

std::string composed(std::string_view text) {
  if (std::all_of(text.begin(), text.end(), [](char c) { return static_cast<signed char>(c) >= 0; }))
    return std::string(text);
  UErrorCode status = U_ZERO_ERROR;
  const icu::Normalizer2* form = icu::Normalizer2::getNFCInstance(status);
  CHECK(U_SUCCESS(status), "ICU has no NFC: {}", u_errorName(status));
  std::string result;
  icu::StringByteSink<std::string> sink(&result);
  form->normalizeUTF8(0, icu::StringPiece(text.data(), static_cast<int32_t>(text.size())), sink, nullptr,
                      status);
  CHECK(U_SUCCESS(status), "normalising: {}", u_errorName(status));
  return result;
}

bool is_dropped(uint8_t category) {
  return category == U_CONTROL_CHAR || category == U_FORMAT_CHAR || category == U_PRIVATE_USE_CHAR ||
         category == U_SURROGATE || category == U_UNASSIGNED;
}

// Builds the text line by line; knows what a gap has become before the next character comes.
class Gaps {
 public:
  void space() { ++spaces_; }
  void newline() {
    ++newlines_;
    spaces_ = 0;
  }
  void character(std::string_view bytes) {
    if (!text_.empty()) text_.append(std::min(newlines_, 2), '\n');
    const bool is_indent = newlines_ > 0 || text_.empty();
    if (!text_.empty()) text_.append(static_cast<size_t>(is_indent ? spaces_ : std::min(spaces_, 1)), ' ');
    newlines_ = spaces_ = 0;
    text_ += bytes;
  }
  std::string take() { return std::move(text_); }

 private:
  std::string text_;
  int newlines_ = 0, spaces_ = 0;
};

}  // namespace

std::string clean_text(std::string_view text) {
  const UnicodeTables& tables = UnicodeTables::get();
  const std::string normal = composed(text);
  Gaps gaps;
  for (std::string_view rest = normal; !rest.empty();) {
    const Utf8Char c = decode_utf8(rest);
    const std::string_view bytes = rest.substr(0, c.length);
    rest.remove_prefix(c.length);
    if (c.code_point == '\r') {
      if (!rest.starts_with('\n')) gaps.newline();
    } else if (c.code_point == '\n' || c.code_point == 0x2028 || c.code_point == 0x2029) {
      gaps.newline();
    } else if (tables.is_space(c.code_point)) {
      gaps.space();
    } else if (!is_dropped(tables.category(c.code_point))) {
      gaps.character(bytes);
    }
  }
  return gaps.take();
}

void CleanStep::judge(Document& document) const {
  bool is_empty = false;
  for (std::string* text : texts_of(document)) {
    *text = clean_text(*text);
    is_empty = is_empty || text->empty();
  }
  if (is_empty) document.removed = "empty";
}

}  // namespace poro
