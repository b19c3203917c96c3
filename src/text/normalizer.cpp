#include "text/normalizer.h"

#include <unicode/bytestream.h>
#include <unicode/locid.h>
#include <unicode/normalizer2.h>
#include <unicode/uniset.h>

#include <memory>

#include "base/error.h"
#include "text/unicode.h"

namespace poro {
namespace {

// ICU's normalizer over the characters that the reference's tables hold.
struct FilteredForm {
  icu::UnicodeSet known;
  icu::FilteredNormalizer2 normalizer;

  static icu::UnicodeSet known_characters(UErrorCode& status) {
    icu::UnicodeSet set(icu::UnicodeString::fromUTF8("[[:age=9.0:]]"), status);
    set.freeze();
    return set;
  }
  FilteredForm(const icu::Normalizer2& form, UErrorCode& status)
      : known(known_characters(status)), normalizer(form, known) {}
};

const icu::Normalizer2* instance(UnicodeForm form, UErrorCode& status) {
  switch (form) {
    case UnicodeForm::kNfc:
      return icu::Normalizer2::getNFCInstance(status);
    case UnicodeForm::kNfd:
      return icu::Normalizer2::getNFDInstance(status);
    case UnicodeForm::kNfkc:
      return icu::Normalizer2::getNFKCInstance(status);
    case UnicodeForm::kNfkd:
      return icu::Normalizer2::getNFKDInstance(status);
  }
  return nullptr;
}

}  // namespace

Normalizer unicode_normalizer(UnicodeForm form) {
  UErrorCode status = U_ZERO_ERROR;
  const icu::Normalizer2* all = instance(form, status);
  CHECK(U_SUCCESS(status), "ICU has no normalizer: {}", u_errorName(status));
  auto filtered = std::make_shared<FilteredForm>(*all, status);
  CHECK(U_SUCCESS(status), "ICU cannot filter its normalizer: {}", u_errorName(status));
  return [filtered = std::move(filtered)](std::string_view text) {
    UErrorCode error = U_ZERO_ERROR;
    std::string normal;
    icu::StringByteSink<std::string> sink(&normal, static_cast<int32_t>(text.size()));
    filtered->normalizer.normalizeUTF8(0, icu::StringPiece(text.data(), static_cast<int32_t>(text.size())),
                                       sink, nullptr, error);
    CHECK(U_SUCCESS(error), "ICU cannot normalize {} bytes: {}", text.size(), u_errorName(error));
    return normal;
  };
}

Normalizer lowercase_normalizer() {
  return [](std::string_view text) {
    std::string lower;
    for (const char* at = text.data(); at < text.data() + text.size();) {
      // One character at a time, without the context that Greek final sigma would want: as the reference does
      // it.
      const icu::UnicodeString character(static_cast<UChar32>(next_code_point(at)));
      icu::UnicodeString(character).toLower(icu::Locale::getRoot()).toUTF8String(lower);
    }
    return lower;
  };
}

Normalizer strip_normalizer(bool left, bool right) {
  return [left, right](std::string_view text) {
    const UnicodeTables& tables = UnicodeTables::get();
    const auto character_start = [](std::string_view part) {
      size_t at = part.size() - 1;
      while (at > 0 && (static_cast<unsigned char>(part[at]) & 0xC0) == 0x80) --at;
      return at;
    };
    while (left && !text.empty()) {
      const Utf8Char c = decode_utf8(text);
      if (!tables.is_space(c.code_point)) break;
      text.remove_prefix(c.length);
    }
    while (right && !text.empty()) {
      const size_t start = character_start(text);
      if (!tables.is_space(decode_utf8(text.substr(start)).code_point)) break;
      text = text.substr(0, start);
    }
    return std::string(text);
  };
}

Normalizer prepend_normalizer(std::string prefix) {
  return [prefix = std::move(prefix)](std::string_view text) {
    return text.empty() ? std::string() : prefix + std::string(text);
  };
}

std::string normalize(const std::vector<Normalizer>& normalizers, std::string_view text) {
  std::string normal(text);
  for (const Normalizer& normalizer : normalizers) normal = normalizer(normal);
  return normal;
}

}  // namespace poro
