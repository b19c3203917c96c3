// The kernels of training at the level this file is named after.
#define PORO_ISA avx512
#include "ops/cpu/attention_gradients.h"
#include "ops/cpu/gradient_kernels.h"
#include "ops/cpu/row_gradients.h"

namespace poro {

extern const GradientKernels kAvx512GradientKernels;
constinit const GradientKernels kAvx512GradientKernels = {
    .softmax = avx512::softmax_gradient,
    .swiglu = avx512::swiglu_gradient,
    .norm = avx512::norm_gradient,
    .adamw = avx512::adamw,
    .attend = avx512::attend_gradient,
};

}  // namespace poro
