// Where the scorers' data lies: models of other projects that tools/install-eval-data fetches and this
// repository may not hold.
#pragma once

#include <filesystem>

namespace poro {

// The path of `name` in $PORO_EVAL_DATA, or else in eval-data/ or share/poro/eval-data/ in a folder above the
// program (so both the build tree and an installed program find it). Throws Error that says how to get the
// data.
std::filesystem::path eval_data_file(const std::filesystem::path& name);

}  // namespace poro
