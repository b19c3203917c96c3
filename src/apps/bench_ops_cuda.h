// poro bench ops on a GPU.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "base/device.h"

namespace poro {

// Every operation whose name contains `only`, at the shapes of Llama 8B and 70B: microseconds, and the share
// of the copy rate or of the largest product's rate measured beside it. Prints the table on stderr.
nlohmann::ordered_json bench_ops_on_gpu(Device& device, const std::string& only);

}  // namespace poro
