#include "ops/cpu/gradient_kernels.h"

namespace poro {

extern const GradientKernels kPortableGradientKernels, kAvx2GradientKernels, kAvx512GradientKernels;

const GradientKernels& gradient_kernels(Isa isa) {
#if defined(__x86_64__)
  if (isa >= Isa::kAvx512) return kAvx512GradientKernels;
  if (isa == Isa::kAvx2) return kAvx2GradientKernels;
#endif
  (void)isa;
  return kPortableGradientKernels;
}

}  // namespace poro
