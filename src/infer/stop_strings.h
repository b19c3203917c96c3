// Finds stop strings in text that arrives in pieces, and lets text through only once it can no longer be part
// of one. Where the pieces are cut makes no difference: the match that ends first wins, the longest among
// those that end together.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace poro {

class StopStrings {
 public:
  // None of them empty.
  explicit StopStrings(std::vector<std::string> stops);

  // The text that is certain to come before every stop string; nothing after one was found.
  std::string push(std::string_view text);
  // The text held back, once no more comes.
  std::string finish();

  bool is_found() const { return is_found_; }

 private:
  size_t held_length() const;

  std::vector<std::string> stops_;  // The longest first.
  std::string pending_;             // The longest end of the text so far that begins a stop string.
  bool is_found_ = false;
};

}  // namespace poro
