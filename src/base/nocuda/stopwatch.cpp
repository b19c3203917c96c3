#include "base/stopwatch.h"

namespace poro::gpu {

Stopwatch::Stopwatch(Cuda& cuda) : cuda_(&cuda) {}
Stopwatch::~Stopwatch() = default;
void Stopwatch::start() {}
double Stopwatch::stop() {
  return 0;
}

}  // namespace poro::gpu
