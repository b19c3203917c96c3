// The kernels of training at the level this file is named after.
#define PORO_ISA portable
#include "ops/cpu/attention_gradients.h"
#include "ops/cpu/gradient_kernels.h"
#include "ops/cpu/row_gradients.h"

namespace poro {

extern const GradientKernels kPortableGradientKernels;
constinit const GradientKernels kPortableGradientKernels = {
    .softmax = portable::softmax_gradient,
    .swiglu = portable::swiglu_gradient,
    .norm = portable::norm_gradient,
    .adamw = portable::adamw,
    .attend = portable::attend_gradient,
};

}  // namespace poro
