#include "infer/stop_strings.h"

#include <algorithm>

#include "base/error.h"

namespace poro {

StopStrings::StopStrings(std::vector<std::string> stops) : stops_(std::move(stops)) {
  for (const std::string& stop : stops_) CHECK(!stop.empty(), "an empty stop string stops before it starts");
  std::sort(stops_.begin(), stops_.end(), [](const auto& a, const auto& b) { return a.size() > b.size(); });
}

std::string StopStrings::push(std::string_view text) {
  if (is_found_) return {};
  if (stops_.empty()) return std::string(text);
  for (const char c : text) {
    pending_ += c;
    for (const std::string& stop : stops_)
      if (pending_.ends_with(stop)) {
        is_found_ = true;
        pending_.resize(pending_.size() - stop.size());
        return std::exchange(pending_, {});
      }
  }
  const size_t free = pending_.size() - held_length();
  std::string passed = pending_.substr(0, free);
  pending_.erase(0, free);
  return passed;
}

std::string StopStrings::finish() {
  return std::exchange(pending_, {});
}

size_t StopStrings::held_length() const {
  const size_t most = std::min(pending_.size(), stops_.front().size() - 1);
  for (size_t length = most; length > 0; --length) {
    const std::string_view end = std::string_view(pending_).substr(pending_.size() - length);
    for (const std::string& stop : stops_)
      if (stop.size() > length && stop.starts_with(end)) return length;
  }
  return 0;
}

}  // namespace poro
