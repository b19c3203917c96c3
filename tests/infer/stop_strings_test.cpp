#include "infer/stop_strings.h"

#include <gtest/gtest.h>

namespace poro {
namespace {

struct Seen {
  std::string text;
  bool is_found = false;
  bool operator==(const Seen&) const = default;
};

Seen through(const std::vector<std::string>& stops, const std::string& text, size_t piece) {
  StopStrings stop_strings(stops);
  Seen seen;
  for (size_t at = 0; at < text.size(); at += piece) seen.text += stop_strings.push(text.substr(at, piece));
  seen.is_found = stop_strings.is_found();
  seen.text += stop_strings.finish();
  return seen;
}

TEST(StopStrings, CutTheTextHoweverItArrives) {
  const struct {
    std::vector<std::string> stops;
    std::string text;
    Seen expected;
  } cases[] = {
      {{}, "anything", {"anything", false}},
      {{"END"}, "the END of it", {"the ", true}},
      {{"END"}, "the EN", {"the EN", false}},
      {{"aab"}, "aaab", {"a", true}},
      {{"abab", "bc"}, "abaababc", {"aba", true}},
      {{"abcd", "bc"}, "xabcd", {"xa", true}},  // The match that ends first.
      {{"c", "abc"}, "xabc", {"x", true}},      // The longest of those that end together.
      {{"\n\n"}, "one\ntwo\n\nthree", {"one\ntwo", true}},
      {{"loppu", "\xc3\xa4lä"}, "en ä\xc3\xa4lälä", {"en ä", true}},
  };
  for (const auto& c : cases)
    for (size_t piece = 1; piece <= c.text.size(); ++piece)
      EXPECT_EQ(through(c.stops, c.text, piece), c.expected) << c.text << " in pieces of " << piece;
}

TEST(StopStrings, HoldBackOnlyWhatMayBeAStop) {
  StopStrings stops({"END", "\n\n"});
  EXPECT_EQ(stops.push("a line\n"), "a line");
  EXPECT_EQ(stops.push("and E"), "\nand ");
  EXPECT_EQ(stops.push("N"), "");
  EXPECT_EQ(stops.push("T"), "ENT");
  EXPECT_EQ(stops.push("END"), "");
  EXPECT_TRUE(stops.is_found());
  EXPECT_EQ(stops.push("more"), "");
  EXPECT_EQ(stops.finish(), "");
}

}  // namespace
}  // namespace poro
