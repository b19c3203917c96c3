// The sources of a checkout as text, so that the house rules are checked on the real tree and on made-up ones
// alike.
#pragma once

#include <cctype>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/file.h"

namespace poro {

// Path from the root of the checkout ("src/ops/norm.h") to content.
using SourceTree = std::map<std::string, std::string>;

inline bool is_source(const std::filesystem::path& path) {
  const std::string extension = path.extension().string();
  return extension == ".h" || extension == ".cpp" || extension == ".cu" || extension == ".cuh";
}

// Every C++ and CUDA file under src, tests, bench and fuzz.
inline SourceTree read_source_tree(const std::filesystem::path& root) {
  SourceTree tree;
  for (const char* folder : {"src", "tests", "bench", "fuzz"}) {
    if (!std::filesystem::is_directory(root / folder)) continue;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(root / folder))
      if (entry.is_regular_file() && is_source(entry.path()))
        tree[entry.path().lexically_relative(root).generic_string()] = read_file(entry.path());
  }
  return tree;
}

inline std::vector<std::string_view> split_lines(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    lines.push_back(text.substr(0, end));
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return lines;
}

// One sentence per broken rule, one per line, for a test's message.
inline std::string joined(const std::vector<std::string>& sentences) {
  std::string text;
  for (const std::string& sentence : sentences) text += sentence + "\n";
  return text;
}

}  // namespace poro
