// Stands in for base/cuda in builds without CUDA: there is no GPU to open, so nothing else is ever called.
#include "base/device.h"

namespace poro {

struct Cuda::State {};

Cuda::Cuda(int, DType wanted) : activations(wanted) {
  fail(
      "this program was built without CUDA; build it where the CUDA toolkit is installed, or use --device "
      "cpu");
}
Cuda::~Cuda() = default;
std::byte* Cuda::scratch(size_t) {
  return nullptr;
}
std::byte* Cuda::operands(size_t) {
  return nullptr;
}

namespace gpu {
std::string name(const Cuda&) {
  return "";
}
std::byte* allocate(Cuda&, size_t) {
  return nullptr;
}
void release(Cuda&, std::byte*) {}
std::pair<size_t, size_t> memory(Cuda&) {
  return {};
}
void copy(Cuda&, const Tensor&, const Tensor&) {}
void zero(Cuda&, const Tensor&) {}
void copy_columns(Cuda&, const Tensor&, int64_t, const Tensor&) {}
void synchronize(Cuda&) {}
bool may_record(Cuda&) {
  return false;
}
std::shared_ptr<void> record(Cuda&, const std::function<void()>&) {
  return nullptr;
}
void replay(Cuda&, void*) {}
}  // namespace gpu

}  // namespace poro
