#include "eval/eval_data.h"

#include <cstdlib>

#include "base/error.h"

namespace poro {

std::filesystem::path eval_data_file(const std::filesystem::path& name) {
  if (const char* folder = std::getenv("PORO_EVAL_DATA")) {
    std::filesystem::path path = std::filesystem::path(folder) / name;
    if (!std::filesystem::exists(path))
      fail("PORO_EVAL_DATA names {}, which holds no {}; run tools/install-eval-data, or unset it", folder,
           name.string());
    return path;
  }
  std::error_code ignored;
  const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", ignored);
  for (std::filesystem::path folder = program.parent_path(); folder.has_relative_path();
       folder = folder.parent_path())
    for (const char* place : {"eval-data", "share/poro/eval-data"})
      if (std::filesystem::exists(folder / place / name, ignored)) return folder / place / name;
  fail(
      "the scorers' data file {} is not installed; run tools/install-eval-data, or name its folder in "
      "PORO_EVAL_DATA",
      name.string());
}

}  // namespace poro
