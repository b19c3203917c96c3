// The kernels at the level this file is named after.
#define PORO_ISA portable
#include "ops/cpu/attention_kernels.h"
#include "ops/cpu/dot_kernels.h"
#include "ops/cpu/kernels.h"
#include "ops/cpu/row_kernels.h"

namespace poro {

extern const Kernels kPortableKernels;
constinit const Kernels kPortableKernels = {
    .convert = portable::convert,
    .norm = portable::norm,
    .rope = portable::rope,
    .swiglu = portable::swiglu,
    .log_sum_exp = portable::log_sum_exp,
    .dot = portable::dot,
    .attend = portable::attend,
    .merge = portable::merge,
    .finish = portable::finish,
    .fma_rounds = portable::fma_rounds,
};

}  // namespace poro
