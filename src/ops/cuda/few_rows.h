// Products with a few rows, limited by the memory the weights stream from.
#pragma once

#include "ops/linear.h"

namespace poro {

constexpr int64_t kFewRows = 8;

// Computes the product if it has a kernel for it; false when it has none.
bool run_few_rows(Cuda& cuda, const Linear& op);

}  // namespace poro
