// What happens to text before it is cut: a list of normalizers, each a function from text to text.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace poro {

using Normalizer = std::function<std::string(std::string_view)>;

enum class UnicodeForm { kNfc, kNfd, kNfkc, kNfkd };

// Normalizes as the Rust reference does, whose tables are of an older Unicode than ICU's.
Normalizer unicode_normalizer(UnicodeForm form);
Normalizer lowercase_normalizer();
Normalizer strip_normalizer(bool left, bool right);
Normalizer prepend_normalizer(std::string prefix);

std::string normalize(const std::vector<Normalizer>& normalizers, std::string_view text);

}  // namespace poro
