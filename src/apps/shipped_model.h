// The model that ships with the program: what commands use where no --model is named.
#pragma once

#include <filesystem>
#include <optional>

namespace poro {

// models/poro-mini or share/poro/models/poro-mini in a folder above the program, so both the source tree and
// an installed program find it; nothing where it is not there.
std::optional<std::filesystem::path> shipped_model();

}  // namespace poro
