// Which parts of the tests can run here: the scorers' models are installed by tools/install-eval-data, and
// answers with known verdicts lie where PORO_TEST_DATA says.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "base/error.h"
#include "base/file.h"
#include "eval/eval_data.h"

namespace poro {

inline bool has_eval_data() {
  try {
    eval_data_file("punkt_english.json");
    return true;
  } catch (const Error&) {
    return false;
  }
}

#define SKIP_WITHOUT_EVAL_DATA() \
  if (!has_eval_data()) GTEST_SKIP() << "the scorers' data is not installed (tools/install-eval-data)"

#define SKIP_WITHOUT_TEST_DATA()                            \
  if (std::getenv("PORO_TEST_DATA") == nullptr)             \
  GTEST_SKIP() << "PORO_TEST_DATA names no folder of test " \
                  "data"

inline std::filesystem::path test_data(const std::filesystem::path& name) {
  return std::filesystem::path(std::getenv("PORO_TEST_DATA")) / name;
}

// A file in a fresh temporary folder, removed with it.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "poro-eval-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) fail("cannot make a folder {}", name);
    path_ = name;
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  std::filesystem::path write(const std::string& name, const std::string& content) const {
    write_file_atomic(path_ / name, content);
    return path_ / name;
  }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace poro
