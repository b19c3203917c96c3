// Products with quantised weights.
#pragma once

#include "ops/linear.h"

namespace poro {

// y = x W^T (+ residual) for any number of rows. A few rows at a time read the weights as they are; more rows
// meet weights that were widened to the type of x, except that fp8 weights meet bf16 rows in fp8, each row
// with a scale of its own.
void run_quantised(Cuda& cuda, const Linear& op);

// Where all parts are of those fp8 weights: the rows in fp8 once for all. False where not.
bool run_in_f8(Cuda& cuda, const Linears& op);

}  // namespace poro
