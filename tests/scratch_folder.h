// An empty folder of one test's own, gone when the test ends.
#pragma once

#include <unistd.h>

#include <filesystem>
#include <string>

#include "base/error.h"

namespace poro {

class ScratchFolder {
 public:
  ScratchFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "poro-test-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) fail("cannot make the folder {}", pattern);
    path_ = pattern;
  }
  ~ScratchFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(const std::filesystem::path& name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

}  // namespace poro
