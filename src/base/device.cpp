#include "base/device.h"

#include <sys/mman.h>

#include <cstdlib>
#include <cstring>
#include <new>

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

std::string Device::name() const {
  if (is_reference()) return "reference";
  const Cpu& cpu = std::get<Cpu>(backend_);
  return fmt::format("cpu ({}, {} thread{})", isa_name(cpu.isa), cpu.pool.size(),
                     cpu.pool.size() == 1 ? "" : "s");
}

Arena::~Arena() {
  for (const Block& block : blocks_) ::munmap(block.data, block.bytes);
}

Tensor Arena::tensor(DType dtype, Shape shape) {
  Tensor tensor{.data = nullptr, .dtype = dtype, .shape = shape};
  const size_t bytes = std::max<size_t>(tensor.bytes(), 64);
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
  tensor.data = reinterpret_cast<std::byte*>(address);
  bytes_ += bytes;
  return tensor;
}

}  // namespace poro
