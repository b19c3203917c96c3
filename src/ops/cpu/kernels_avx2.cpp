// The kernels at the level this file is named after.
#define PORO_ISA avx2
#include "ops/cpu/attention_kernels.h"
#include "ops/cpu/dot_kernels.h"
#include "ops/cpu/kernels.h"
#include "ops/cpu/row_kernels.h"

namespace poro {

extern const Kernels kAvx2Kernels;
constinit const Kernels kAvx2Kernels = {
    .convert = avx2::convert,
    .norm = avx2::norm,
    .rope = avx2::rope,
    .swiglu = avx2::swiglu,
    .log_sum_exp = avx2::log_sum_exp,
    .dot = avx2::dot,
    .attend = avx2::attend,
    .merge = avx2::merge,
    .finish = avx2::finish,
    .fma_rounds = avx2::fma_rounds,
};

}  // namespace poro
