// Lines come out as they went in, whatever the compression and wherever the blocks end.
#include "data/line_reader.h"

#include <gtest/gtest.h>
#include <zlib.h>
#include <zstd.h>

#include <fstream>

#include "base/error.h"
#include "base/file.h"
#include "tests/scratch_folder.h"

namespace poro {
namespace {

std::string gzip(const std::string& text) {
  z_stream state{};
  deflateInit2(&state, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
  std::string out(text.size() + 1024, '\0');
  state.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  state.avail_in = static_cast<uInt>(text.size());
  state.next_out = reinterpret_cast<Bytef*>(out.data());
  state.avail_out = static_cast<uInt>(out.size());
  deflate(&state, Z_FINISH);
  out.resize(state.total_out);
  deflateEnd(&state);
  return out;
}

std::string zstd(const std::string& text) {
  std::string out(ZSTD_compressBound(text.size()), '\0');
  out.resize(ZSTD_compress(out.data(), out.size(), text.data(), text.size(), 3));
  return out;
}

struct Line {
  int64_t number;
  std::string text;
  bool operator==(const Line&) const = default;
};

std::vector<Line> read_lines(const std::filesystem::path& path) {
  LineReader reader(path);
  std::vector<Line> lines;
  for (LineBlock block; reader.next(block);)
    for_lines(block, [&](std::string_view line, int64_t number) {
      lines.push_back({number, std::string(line)});
    });
  return lines;
}

class LineReaderTest : public ::testing::Test {
 protected:
  std::filesystem::path write(const char* name, const std::string& bytes) {
    write_file_atomic(folder_ / name, bytes);
    return folder_ / name;
  }
  ScratchFolder folder_;
};

TEST_F(LineReaderTest, ReadsPlainGzipAndZstdAlike) {
  // Several blocks, lines of all lengths, one longer than a block, and a last line without an end.
  std::string text;
  std::vector<Line> want;
  for (int64_t i = 1; i <= 3000; ++i) {
    const std::string line = i == 77 ? std::string(3 * LineReader::kBlockBytes, 'x')
                                     : std::string(static_cast<size_t>(i % 997), 'a');
    want.push_back({i, line});
    text += line + (i < 3000 ? "\n" : "");
  }
  EXPECT_EQ(read_lines(write("a.jsonl", text)), want);
  EXPECT_EQ(read_lines(write("a.jsonl.gz", gzip(text))), want);
  EXPECT_EQ(read_lines(write("a.jsonl.zst", zstd(text))), want);
}

TEST_F(LineReaderTest, ReadsFilesOfSeveralCompressedMembers) {
  const std::vector<Line> want = {{1, "one"}, {2, "two"}, {3, "three"}};
  EXPECT_EQ(read_lines(write("a.gz", gzip("one\ntw") + gzip("o\nthree\n"))), want);
  EXPECT_EQ(read_lines(write("a.zst", zstd("one\ntw") + zstd("o\nthree\n"))), want);
}

TEST_F(LineReaderTest, TakesCarriageReturnsAndBlankLinesAsTheyAre) {
  EXPECT_EQ(read_lines(write("a.txt", "a\r\n\nb\r\n")), (std::vector<Line>{{1, "a"}, {2, ""}, {3, "b"}}));
  EXPECT_TRUE(read_lines(write("empty.txt", "")).empty());
}

TEST_F(LineReaderTest, SaysThatAFileIsCutOrDamaged) {
  const auto message = [&](const std::filesystem::path& path) -> std::string {
    try {
      read_lines(path);
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  };
  const std::string text(100000, 'q');
  EXPECT_NE(message(write("cut.gz", gzip(text).substr(0, 60))).find("middle of its compressed data"),
            std::string::npos);
  EXPECT_NE(message(write("cut.zst", zstd(text).substr(0, 15))).find("middle of its compressed data"),
            std::string::npos);
  EXPECT_NE(message(write("bad.gz", "plain text")).find("not gzip"), std::string::npos);
  EXPECT_NE(message(write("bad.zst", "plain text")).find("not zstd"), std::string::npos);
  EXPECT_NE(message(folder_ / "absent").find("cannot open"), std::string::npos);
}

}  // namespace
}  // namespace poro
