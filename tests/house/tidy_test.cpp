// What every source file looks like: the rules a machine can hold. The checker is tested on files that break
// them.
#include <gtest/gtest.h>

#include "tests/house/source_tree.h"

namespace poro {
namespace {

constexpr size_t kMaxColumns = 140;
constexpr size_t kMaxLines = 600;  // More wants a reason in ARCHITECTURE.md.

// Characters of a UTF-8 line: every byte that does not continue a character.
size_t columns(std::string_view line) {
  size_t count = 0;
  for (const char byte : line) count += (static_cast<unsigned char>(byte) & 0xc0u) != 0x80u;
  return count;
}

bool contains_word(std::string_view line, std::string_view word) {
  const auto is_letter = [&](size_t at) {
    return at < line.size() && (std::isalnum(static_cast<unsigned char>(line[at])) != 0 || line[at] == '_');
  };
  for (size_t at = 0; (at = line.find(word, at)) != std::string_view::npos; ++at)
    if ((at == 0 || !is_letter(at - 1)) && !is_letter(at + word.size())) return true;
  return false;
}

// Written in two halves, so that this file passes its own test.
const std::vector<std::string> kBannedWords = {
    "TO"
    "DO",
    "FIX"
    "ME",
    "XX"
    "X",
    "HA"
    "CK"};

// Headers, and sources that no header of their name introduces, open with what they are.
bool needs_opening_comment(const SourceTree& tree, const std::string& path) {
  if (!path.starts_with("src/")) return false;
  if (path.ends_with(".h") || path.ends_with(".cuh")) return true;
  const std::string stem = std::filesystem::path(path).stem().string();
  for (const auto& [other, content] : tree)
    if (other.starts_with("src/") && std::filesystem::path(other).filename() == stem + ".h") return false;
  return true;
}

std::vector<std::string> tidy_violations(const SourceTree& tree, std::string_view architecture) {
  std::vector<std::string> violations;
  for (const auto& [path, content] : tree) {
    const std::vector<std::string_view> lines = split_lines(content);
    for (size_t i = 0; i < lines.size(); ++i) {
      const auto add = [&](std::string_view rule) {
        violations.push_back(fmt::format("{}:{}: {}", path, i + 1, rule));
      };
      if (columns(lines[i]) > kMaxColumns) add(fmt::format("longer than {} columns", kMaxColumns));
      if (lines[i].find('\t') != std::string_view::npos) add("a tab");
      if (lines[i].ends_with(' ') || lines[i].ends_with('\r')) add("space at the end of the line");
      for (const std::string& word : kBannedWords)
        if (contains_word(lines[i], word)) add(word + " marks unfinished work");
    }
    if (!content.empty() && !content.ends_with('\n'))
      violations.push_back(path + " does not end with a newline");
    if (lines.size() > kMaxLines && architecture.find(path) == std::string_view::npos)
      violations.push_back(fmt::format("{} has {} lines; over {} wants a reason in ARCHITECTURE.md", path,
                                       lines.size(), kMaxLines));
    if (needs_opening_comment(tree, path) && !content.starts_with("//"))
      violations.push_back(path + " does not open with a comment that says what it is");
  }
  return violations;
}

TEST(Tidy, ThisCheckout) {
  const std::filesystem::path root = PORO_SOURCE_DIR;
  const SourceTree tree = read_source_tree(root);
  ASSERT_TRUE(tree.contains("src/apps/main.cpp")) << "no sources under " << root;
  const std::vector<std::string> violations = tidy_violations(tree, read_file(root / "ARCHITECTURE.md"));
  EXPECT_TRUE(violations.empty()) << joined(violations);
}

TEST(Tidy, AllowsWhatIsAllowed) {
  const std::string wide(2 * kMaxColumns, 'x');
  std::string finnish = "// ";
  while (columns(finnish) < kMaxColumns) finnish += "ä";
  std::string long_file = "// Many rows.\n";
  for (size_t i = 0; i < kMaxLines; ++i) long_file += "x;\n";
  EXPECT_EQ(joined(tidy_violations({{"src/base/a.h", finnish + "\n"},
                                    {"src/base/a.cpp", "#include \"base/a.h\"\n"},
                                    {"src/ops/cpu/a.cpp", "#include \"base/a.h\"\n"},
                                    {"src/text/table.cpp", long_file},
                                    {"tests/base/a_test.cpp", "int " + kBannedWords[0] + "S;\n"}},
                                   "Long: src/text/table.cpp")),
            "");
}

TEST(Tidy, FindsWhatIsForbidden) {
  std::string long_file = "// Many rows.\n";
  for (size_t i = 0; i < kMaxLines; ++i) long_file += "x;\n";
  const std::vector<std::pair<SourceTree, std::string>> cases = {
      {{{"tests/a.cpp", std::string(kMaxColumns + 1, 'x') + "\n"}}, "tests/a.cpp:1: longer than"},
      {{{"bench/a.cpp", "\n\tx;\n"}}, "bench/a.cpp:2: a tab"},
      {{{"fuzz/a.cpp", "x; \n"}}, "space at the end"},
      {{{"fuzz/a.cpp", "x;\r\n"}}, "space at the end"},
      {{{"fuzz/a.cpp", "x;"}}, "newline"},
      {{{"tests/a.cpp", "// " + kBannedWords[0] + ": later\n"}}, "unfinished"},
      {{{"src/base/a.h", "#pragma once\n"}}, "open with a comment"},
      {{{"src/base/a.cpp", "int x;\n"}}, "open with a comment"},
      {{{"src/base/a.cpp", long_file}}, "over 600"},
  };
  for (const auto& [files, expected] : cases) {
    const std::vector<std::string> violations = tidy_violations(files, "");
    ASSERT_EQ(violations.size(), 1u) << expected << "\n" << joined(violations);
    EXPECT_NE(violations[0].find(expected), std::string::npos) << violations[0];
  }
}

}  // namespace
}  // namespace poro
