#include "eval/fill.h"

namespace poro {

std::string fill(std::string_view text, const Gaps& gaps) {
  std::string filled;
  while (!text.empty()) {
    const size_t open = std::min(text.find('{'), text.size());
    filled += text.substr(0, open);
    text.remove_prefix(open);
    const size_t close = text.find('}');
    const auto gap = close == std::string_view::npos ? gaps.end() : gaps.find(text.substr(1, close - 1));
    if (gap != gaps.end()) {
      filled += gap->second;
      text.remove_prefix(close + 1);
    } else if (!text.empty()) {
      filled += text.front();
      text.remove_prefix(1);
    }
  }
  return filled;
}

}  // namespace poro
