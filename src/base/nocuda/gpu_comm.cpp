// Stands in for base/cuda/gpu_comm.cu in builds without CUDA.
#include "base/comm.h"

namespace poro {

std::unique_ptr<Comm> comm_of(Device&, std::unique_ptr<Comm> host) {
  return host;
}

}  // namespace poro
