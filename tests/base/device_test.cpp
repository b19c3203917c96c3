// Arenas and the devices: zeroed aligned memory, sentences when it is short, names people read.
#include "base/device.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>

namespace poro {
namespace {

uintptr_t address(const std::byte* data) {
  return reinterpret_cast<uintptr_t>(data);
}

TEST(Arena, GivesZeroedAlignedMemoryOfItsOwn) {
  Arena arena("weights");
  std::vector<Tensor> tensors;
  for (const int64_t rows : {0, 1, 3, 1000, 1'000'000}) {
    const Tensor tensor = arena.tensor(DType::kF32, {rows, 3});
    EXPECT_EQ(address(tensor.data) % 64, 0u);
    EXPECT_TRUE(std::all_of(tensor.data, tensor.data + tensor.bytes(),
                            [](std::byte b) { return b == std::byte{0}; }));
    std::fill_n(tensor.data, tensor.bytes(), std::byte{0xff});  // The next tensor must not see it.
    tensors.push_back(tensor);
  }
  EXPECT_GE(arena.bytes(), size_t{1'001'004} * 12);
  Arena moved = std::move(arena);
  EXPECT_EQ(moved.name(), "weights");
  EXPECT_EQ(tensors.back().data[tensors.back().bytes() - 1], std::byte{0xff});
}

TEST(Arena, SaysWhatDidNotFit) {
  Arena arena("KV cache");
  try {
    arena.tensor(DType::kF32, {int64_t{1} << 50});
    FAIL() << "four pebibytes were allocated";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("KV cache"), std::string::npos) << error.what();
  }
}

TEST(Device, NamesItself) {
  ::setenv("PORO_CPU_ISA", "portable", 1);
  EXPECT_EQ(Device::cpu(1)->name(), "cpu (portable, 1 thread)");
  EXPECT_EQ(Device::cpu(3)->name(), "cpu (portable, 3 threads)");
  ::unsetenv("PORO_CPU_ISA");
  EXPECT_EQ(Device::reference()->name(), "reference");
  EXPECT_EQ(Device::reference()->activation_dtype(), DType::kF64);
  EXPECT_EQ(Device::cpu(1)->activation_dtype(), DType::kF32);
}

TEST(Cpu, ScratchIsAlignedAndGrows) {
  const std::unique_ptr<Device> device = Device::cpu(1);
  Cpu& cpu = device->cpu_backend();
  for (const size_t bytes : {size_t{1}, size_t{100}, size_t{5} << 20}) {
    std::byte* const scratch = cpu.scratch(bytes);
    EXPECT_EQ(address(scratch) % 64, 0u);
    std::fill_n(scratch, bytes, std::byte{1});
  }
  std::byte* const large = cpu.scratch(size_t{5} << 20);
  EXPECT_EQ(cpu.scratch(16), large) << "a smaller request does not allocate";
}

}  // namespace
}  // namespace poro
