// The kernels at the level this file is named after.
#define PORO_ISA avx512
#include "ops/cpu/attention_kernels.h"
#include "ops/cpu/dot_kernels.h"
#include "ops/cpu/kernels.h"
#include "ops/cpu/row_kernels.h"

namespace poro {

extern const Kernels kAvx512Kernels;
constinit const Kernels kAvx512Kernels = {
    .convert = avx512::convert,
    .norm = avx512::norm,
    .rope = avx512::rope,
    .swiglu = avx512::swiglu,
    .log_sum_exp = avx512::log_sum_exp,
    .dot = avx512::dot,
    .attend = avx512::attend,
    .merge = avx512::merge,
    .finish = avx512::finish,
    .fma_rounds = avx512::fma_rounds,
};

}  // namespace poro
