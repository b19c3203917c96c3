// What the commands under `poro data` share.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace poro {

void add_data_stats(CLI::App& data);

}  // namespace poro
