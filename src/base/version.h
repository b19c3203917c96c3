// What this program is: version and commit, for --version, logs and run folders.
#pragma once

#include <string>

namespace poro {

// For example "0.1.0 (4f2a91c7)"; the commit ends in "+" when the tree had changes. "unknown" outside a git
// checkout.
std::string version();

}  // namespace poro
