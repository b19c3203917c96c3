// The products behind Linear on the CPU, one per kind of weights and arithmetic; ops/cpu/linear.cpp chooses.
// All of them take any number of tokens, add the residual where there is one, and give the same bits for
// every number of threads.
#pragma once

#include "ops/linear.h"

namespace poro {

// int8 and int4 weights.
void linear_quantized(Cpu& cpu, const Linear& op);

}  // namespace poro
