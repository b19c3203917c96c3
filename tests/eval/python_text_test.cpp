#include "eval/python_text.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "eval/pattern.h"

namespace poro {
namespace {

using Pieces = std::vector<std::string_view>;

TEST(PythonText, StripAndSplitKnowPythonsWhiteSpace) {
  EXPECT_EQ(python::strip("\u2003\x1c a b\u00a0\n"), "a b");
  EXPECT_EQ(python::strip(" \t"), "");
  EXPECT_EQ(python::strip("\u200b"), "\u200b");  // A zero-width space is none.
  EXPECT_EQ(python::split(" a\u3000b \n"), (Pieces{"a", "b"}));
  EXPECT_EQ(python::split(""), Pieces{});
  EXPECT_EQ(python::split("a**b", "*"), (Pieces{"a", "", "b"}));
}

TEST(PythonText, StripOfCharacters) {
  EXPECT_EQ(python::lstrip("<<a<", "<"), "a<");
  EXPECT_EQ(python::rstrip("a>>", ">"), "a");
  EXPECT_EQ(python::strip("\"\"", "\""), "");
  EXPECT_EQ(python::remove_prefix("``a", "`"), "`a");
  EXPECT_EQ(python::remove_suffix("a``", "``"), "a");
}

TEST(PythonText, CaseIsThatOfEveryCasedCharacter) {
  EXPECT_TRUE(python::is_upper("ÄÄNI 5!"));
  EXPECT_FALSE(python::is_upper("ÄÄNi"));
  EXPECT_FALSE(python::is_upper("5!"));
  EXPECT_FALSE(python::is_upper("ǅ"));  // Title case is neither.
  EXPECT_TRUE(python::is_lower("ääni 5"));
  EXPECT_FALSE(python::is_lower("Ääni"));
  EXPECT_EQ(python::lower("ÄÄNI ΟΔΟΣ"), "ääni οδος");  // The final sigma has its own form.
}

TEST(Pattern, FindsAsPythonDoes) {
  EXPECT_EQ(Pattern("^a", Pattern::kMultiLine).count_in("a\nab\n\na"), 3u);
  EXPECT_EQ(Pattern("a.c").count_in("abc a\nc a\rc"), 2u);  // Only a line feed is none of `.`.
  EXPECT_EQ(Pattern("\\w+").all_in("äiti_1 ja-isä"), (Pieces{"äiti_1", "ja", "isä"}));
  EXPECT_EQ(Pattern("ÄÄNI", Pattern::kIgnoreCase).count_in("ääni Ääni"), 2u);
  EXPECT_EQ(Pattern("x*").count_in("axb"), 4u);  // Empty, "x", empty, empty.
  EXPECT_EQ(Pattern(",").split("a,,b"), (Pieces{"a", "", "b"}));
  EXPECT_EQ(Pattern("(\\w)(\\d)").replaced("a1 b2", "$2$1"), "1a 2b");
  EXPECT_FALSE(Pattern("a").found_in(""));
}

TEST(Pattern, WhatIsNoExpressionIsAnError) {
  EXPECT_THROW(Pattern("(a"), Error);
}

}  // namespace
}  // namespace poro
