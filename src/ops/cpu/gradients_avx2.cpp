// The kernels of training at the level this file is named after.
#define PORO_ISA avx2
#include "ops/cpu/attention_gradients.h"
#include "ops/cpu/gradient_kernels.h"
#include "ops/cpu/row_gradients.h"

namespace poro {

extern const GradientKernels kAvx2GradientKernels;
constinit const GradientKernels kAvx2GradientKernels = {
    .softmax = avx2::softmax_gradient,
    .swiglu = avx2::swiglu_gradient,
    .norm = avx2::norm_gradient,
    .adamw = avx2::adamw,
    .attend = avx2::attend_gradient,
};

}  // namespace poro
