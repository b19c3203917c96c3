// Lines of a text file that may be compressed (.gz, .zst), in blocks that are large enough to hand to a
// thread. Every block knows the number of its first line, so that what is wrong with a line can be said by
// file and line.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace poro {

// Whole lines and the padding that simdjson wants after them.
struct LineBlock {
  static constexpr size_t kPadding = 64;

  std::string text = {};   // The lines with their ends, then kPadding zeros.
  int64_t first_line = 1;  // From 1.

  size_t size() const { return text.size() - kPadding; }
};

// Calls body(line without its end, number of the line) for every line of the block.
template <class Body>
void for_lines(const LineBlock& block, const Body& body) {
  const std::string_view text(block.text.data(), block.size());
  int64_t number = block.first_line;
  for (size_t at = 0; at < text.size(); ++number) {
    const size_t end = std::min(text.find('\n', at), text.size());
    std::string_view line = text.substr(at, end - at);
    if (line.ends_with('\r')) line.remove_suffix(1);
    body(line, number);
    at = end + 1;
  }
}

class LineReader {
 public:
  static constexpr size_t kBlockBytes = size_t{1} << 20;
  static constexpr size_t kMaxLineBytes = size_t{256} << 20;

  // The ending of the name says how the file is compressed. Throws Error.
  explicit LineReader(const std::filesystem::path& path);
  ~LineReader();
  LineReader(const LineReader&) = delete;
  LineReader& operator=(const LineReader&) = delete;

  // The next lines, about kBlockBytes of them; false after the last. Throws Error for a damaged file or a
  // line that is longer than kMaxLineBytes.
  bool next(LineBlock& block);
  // Of the file as it is stored; for progress.
  uint64_t bytes_read() const;

 private:
  struct Stream;
  struct Plain;
  struct Gzip;
  struct Zstd;

  std::filesystem::path path_;
  std::unique_ptr<Stream> stream_;
  std::string rest_;  // The beginning of a line whose end has not been read.
  int64_t next_line_ = 1;
};

}  // namespace poro
