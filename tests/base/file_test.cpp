#include "base/file.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace poro {
namespace {

std::filesystem::path scratch(const char* name) {
  const std::filesystem::path folder = std::filesystem::path(testing::TempDir()) / "poro_file_test";
  std::filesystem::create_directories(folder);
  return folder / name;
}

TEST(File, WritesAtomicallyAndReadsBack) {
  const auto path = scratch("a.txt");
  write_file_atomic(path, "first");
  {
    AtomicFile abandoned(path);
    abandoned.write("half", 4);
  }
  EXPECT_EQ(read_file(path), "first");
  write_file_atomic(path, "second");
  EXPECT_EQ(read_file(path), "second");
  const MappedFile mapped(path);
  EXPECT_EQ(mapped.bytes().size(), 6u);
  for (const auto& entry : std::filesystem::directory_iterator(path.parent_path()))
    EXPECT_EQ(entry.path().string().find(".partial"), std::string::npos) << entry.path();
}

TEST(File, SaysWhatIsWrong) {
  EXPECT_THROW(read_file(scratch("missing")), Error);
  EXPECT_THROW(read_file(scratch("")), Error);  // A folder.
  write_file_atomic(scratch("long"), "12345");
  EXPECT_THROW(read_file(scratch("long"), 4), Error);
  EXPECT_THROW(write_file_atomic("/nonexistent/x", "x"), Error);
}

}  // namespace
}  // namespace poro
