// Event files as TensorBoard reads them: frames with their checksums, and the fields of the messages in them.
#include "train/tensorboard.h"

#include <gtest/gtest.h>

#include <cstring>

#include "base/file.h"
#include "tests/scratch_folder.h"

namespace poro {
namespace {

TEST(Crc32c, HasTheValuesOfTheStandard) {
  EXPECT_EQ(crc32c("123456789"), 0xe3069283u);
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8a9136aau);  // RFC 3720, B.4
}

template <class T>
T take(std::string_view& bytes) {
  T value;
  std::memcpy(&value, bytes.data(), sizeof value);
  bytes.remove_prefix(sizeof value);
  return value;
}

uint32_t unmasked(uint32_t masked) {
  const uint32_t rotated = masked - 0xa282ead8u;
  return rotated << 15 | rotated >> 17;
}

std::vector<std::string> frames_of(const std::filesystem::path& folder) {
  std::vector<std::string> frames;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const std::string content = read_file(entry.path());
    std::string_view rest = content;
    while (!rest.empty()) {
      const std::string_view length_bytes = rest.substr(0, 8);
      const auto length = take<uint64_t>(rest);
      EXPECT_EQ(unmasked(take<uint32_t>(rest)), crc32c(length_bytes));
      frames.emplace_back(rest.substr(0, length));
      rest.remove_prefix(length);
      EXPECT_EQ(unmasked(take<uint32_t>(rest)), crc32c(frames.back()));
    }
  }
  return frames;
}

TEST(TensorBoardLog, WritesAVersionThenScalars) {
  ScratchFolder folder;
  {
    TensorBoardLog log(folder / "board", 0);
    log.write(300, std::vector<TensorBoardLog::Scalar>{{"train/loss", 2.5}});
  }
  const std::vector<std::string> frames = frames_of(folder / "board");
  ASSERT_EQ(frames.size(), 2u);
  EXPECT_NE(frames[0].find("brain.Event:2"), std::string::npos);
  // wall_time (9 bytes), step 300 as a varint, then summary { value { tag, simple_value } }.
  const float loss = 2.5f;
  std::string expected("\x10\xac\x02\x2a\x13\x0a\x11\x0a\x0atrain/loss\x15", 3 + 2 + 2 + 2 + 10 + 1);
  expected.append(reinterpret_cast<const char*>(&loss), 4);
  EXPECT_EQ(frames[1].substr(9), expected);
}

TEST(TensorBoardLog, SaysWhereARunGoesOn) {
  ScratchFolder folder;
  { TensorBoardLog log(folder / "board", 7); }
  const std::vector<std::string> frames = frames_of(folder / "board");
  ASSERT_EQ(frames.size(), 2u);
  EXPECT_EQ(frames[1].substr(9),
            std::string("\x10\x07\x3a\x02\x08\x01", 6));  // step 7, session_log { status: START }
}

}  // namespace
}  // namespace poro
