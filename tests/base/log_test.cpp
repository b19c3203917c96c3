// The lines people read, at each level of PORO_LOG.
#include "base/log.h"

#include <gtest/gtest.h>

#include <cstdlib>

namespace poro {
namespace {

std::string logged_at(const char* level) {
  level != nullptr ? ::setenv("PORO_LOG", level, 1) : ::unsetenv("PORO_LOG");
  testing::internal::CaptureStderr();
  inform("read {} files", 3);
  warn("{} is empty", "a.txt");
  ::unsetenv("PORO_LOG");
  return testing::internal::GetCapturedStderr();
}

TEST(Log, WritesWhatTheLevelAllows) {
  EXPECT_EQ(logged_at(nullptr), "poro: read 3 files\nporo: warning: a.txt is empty\n");
  EXPECT_EQ(logged_at("info"), logged_at(nullptr));
  EXPECT_EQ(logged_at("warn"), "poro: warning: a.txt is empty\n");
  EXPECT_EQ(logged_at("quiet"), "");
}

}  // namespace
}  // namespace poro
