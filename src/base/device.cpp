#include "base/device.h"

#include <sys/mman.h>

#include <cstdlib>
#include <cstring>
#include <new>
#include <utility>

namespace poro {
namespace {

constexpr size_t kHugePage = size_t{2} << 20;

}  // namespace

void Cpu::Free::operator()(std::byte* memory) const {
  std::free(memory);
}

std::byte* Cpu::grown(Growing& growing, size_t bytes) {
  if (bytes > growing.bytes) {
    growing.bytes = (bytes + kHugePage - 1) / kHugePage * kHugePage;
    growing.memory.reset();
    growing.memory.reset(static_cast<std::byte*>(std::aligned_alloc(kHugePage, growing.bytes)));
    if (growing.memory == nullptr)
      fail("out of memory: {} MiB of scratch space could not be allocated", growing.bytes >> 20);
    ::madvise(growing.memory.get(), growing.bytes, MADV_HUGEPAGE);
  }
  return growing.memory.get();
}

std::unique_ptr<Device> Device::reference() {
  return std::unique_ptr<Device>(new Device(std::in_place_type<Reference>));
}

std::unique_ptr<Device> Device::cpu(int threads) {
  return std::unique_ptr<Device>(new Device(std::in_place_type<Cpu>, threads));
}

std::unique_ptr<Device> Device::cuda(int index, DType activations) {
  return std::unique_ptr<Device>(new Device(std::in_place_type<Cuda>, index, activations));
}

DType Device::activation_dtype() const {
  if (const Cuda* cuda = std::get_if<Cuda>(&backend_)) return cuda->activations;
  return exact_dtype();
}

std::string Device::name() const {
  if (is_reference()) return "reference";
  if (const Cuda* cuda = std::get_if<Cuda>(&backend_)) return gpu::name(*cuda);
  const Cpu& cpu = std::get<Cpu>(backend_);
  return fmt::format("cpu ({}, {} thread{})", isa_name(cpu.isa), cpu.pool.size(),
                     cpu.pool.size() == 1 ? "" : "s");
}

void Device::copy(const Tensor& from, const Tensor& to) {
  CHECK(from.bytes() == to.bytes() && from.dtype == to.dtype, "{} to {}", from.str(), to.str());
  if (is_cuda()) return gpu::copy(cuda_backend(), from, to);
  if (from.data != to.data) std::memcpy(to.data, from.data, from.bytes());
}

void Device::zero(const Tensor& tensor) {
  if (is_cuda()) return gpu::zero(cuda_backend(), tensor);
  std::memset(tensor.data, 0, tensor.bytes());
}

void Device::copy_columns(const Tensor& from, int64_t first, const Tensor& to) {
  CHECK(from.dim(0) == to.dim(0) && first + to.dim(1) <= from.dim(1) && from.dtype == to.dtype &&
            dtype_bits(to.dtype) % 8 == 0,
        "columns from {} of {} to {}", first, from.str(), to.str());
  if (is_cuda()) return gpu::copy_columns(cuda_backend(), from, first, to);
  const size_t element = static_cast<size_t>(dtype_bits(to.dtype) / 8);
  const size_t wide = static_cast<size_t>(from.dim(1)) * element,
               narrow = static_cast<size_t>(to.dim(1)) * element;
  for (size_t row = 0; row < static_cast<size_t>(to.dim(0)); ++row)
    std::memcpy(to.data + row * narrow, from.data + row * wide + static_cast<size_t>(first) * element,
                narrow);
}

void Device::synchronize() {
  if (is_cuda()) gpu::synchronize(cuda_backend());
}

void Recording::run(Device& device, const std::function<void()>& body) {
  ++runs_;
  if (!device.is_cuda() || device.trace != nullptr || runs_ == 1 || !gpu::may_record(device.cuda_backend()))
    return body();
  if (graph_ == nullptr) graph_ = gpu::record(device.cuda_backend(), body);
  gpu::replay(device.cuda_backend(), graph_.get());
}

Arena::Arena(Arena&& other) noexcept
    : name_(std::move(other.name_)),
      cuda_(other.cuda_),
      blocks_(std::move(other.blocks_)),
      bytes_(std::exchange(other.bytes_, 0)) {
  other.blocks_.clear();
}

Arena::~Arena() {
  for (const Block& block : blocks_) {
    if (cuda_ != nullptr)
      gpu::release(*cuda_, block.data);
    else
      ::munmap(block.data, block.bytes);
  }
}

Tensor Arena::tensor(DType dtype, Shape shape) {
  Tensor tensor{.data = nullptr,
                .dtype = dtype,
                .shape = shape,
                .place = cuda_ != nullptr ? Place::kGpu : Place::kHost};
  const size_t bytes = std::max<size_t>(tensor.bytes(), 64);
  if (cuda_ == nullptr) {
    tensor.data = host_block(bytes);
  } else {
    tensor.data = gpu::allocate(*cuda_, bytes);
    if (tensor.data == nullptr)
      fail(
          "out of memory on the GPU: {} MiB for {} could not be allocated ({} MiB held already, {} MiB "
          "free); use a smaller "
          "context or batch, or weights in fewer bits",
          bytes >> 20, name_, bytes_ >> 20, gpu::memory(*cuda_).first >> 20);
    blocks_.push_back({tensor.data, bytes});
  }
  bytes_ += bytes;
  return tensor;
}

std::byte* Arena::host_block(size_t bytes) {
  // Anonymous pages are zero and cost nothing until touched; large blocks start on a huge page so that the
  // kernel can use them.
  const bool is_large = bytes >= kHugePage;
  const size_t mapped_bytes = is_large ? bytes + kHugePage : bytes;
  void* mapped = ::mmap(nullptr, mapped_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED)
    fail("out of memory: {} MiB for {} could not be allocated ({} MiB held already)", bytes >> 20, name_,
         bytes_ >> 20);
  blocks_.push_back({static_cast<std::byte*>(mapped), mapped_bytes});
  uintptr_t address = reinterpret_cast<uintptr_t>(mapped);
  if (is_large) {
    address = (address + kHugePage - 1) / kHugePage * kHugePage;
    ::madvise(reinterpret_cast<void*>(address), bytes, MADV_HUGEPAGE);
  }
  return reinterpret_cast<std::byte*>(address);
}

}  // namespace poro
