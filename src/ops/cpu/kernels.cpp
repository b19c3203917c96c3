#include "ops/cpu/kernels.h"

namespace poro {

extern const Kernels kPortableKernels, kAvx2Kernels, kAvx512Kernels;

const Kernels& kernels(Isa isa) {
#if defined(__x86_64__)
  if (isa >= Isa::kAvx512) return kAvx512Kernels;
  if (isa == Isa::kAvx2) return kAvx2Kernels;
#endif
  (void)isa;
  return kPortableKernels;
}

}  // namespace poro
