// What a GPU that fails, or has no memory left, is said to have done: a sentence, with the op's name.
#include <gtest/gtest.h>

#include "base/cuda_devices.h"
#include "ops/convert.h"
#include "ops/trace.h"

namespace poro {
namespace {

std::string complaint(const std::function<void()>& body) {
  try {
    body();
  } catch (const Error& error) {
    return error.what();
  }
  return "nothing";
}

void expect_within(const std::string& part, const std::string& said) {
  EXPECT_NE(said.find(part), std::string::npos) << said;
}

TEST(GpuFaults, MemoryThatRunsOut) {
  if (cuda_report().devices.empty()) GTEST_SKIP() << "no NVIDIA GPU on this machine";
  const auto device = Device::cuda(0);
  constexpr size_t kTooMuch = size_t{1} << 45;
  expect_within("the GPU has no memory left", complaint([&] { device->cuda_backend().scratch(kTooMuch); }));
  expect_within("out of memory on the GPU", complaint([&] {
                  Arena("test", *device).tensor(DType::kI8, {static_cast<int64_t>(kTooMuch)});
                }));
  // And the GPU goes on.
  Arena arena("test", *device);
  const Tensor from = arena.tensor(DType::kF32, {64}), to = arena.tensor(DType::kBF16, {64});
  EXPECT_EQ(complaint([&] {
              run(*device, Convert{.from = from, .to = to});
              device->synchronize();
            }),
            "nothing");
}

// In a process of its own, since a GPU that failed does nothing more for the one it failed.
void fault(bool is_traced) {
  const auto device = Device::cuda(0);
  Trace trace;
  if (is_traced) device->trace = &trace;  // Each op is waited for.
  Arena arena("test", *device);
  const Tensor to = arena.tensor(DType::kBF16, {64});
  const Tensor nowhere{.data = reinterpret_cast<std::byte*>(size_t{1} << 20),
                       .dtype = DType::kF32,
                       .shape = {64},
                       .place = Place::kGpu};
  std::fprintf(stderr, "%s\n", complaint([&] {
                                 run(*device, Convert{.from = nowhere, .to = to});
                                 device->synchronize();
                               }).c_str());
  std::exit(2);
}

TEST(GpuFaultsDeathTest, OpsThatFault) {
  if (cuda_report().devices.empty()) GTEST_SKIP() << "no NVIDIA GPU on this machine";
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(fault(true), testing::ExitedWithCode(2), "the GPU failed \\(.*\\), seen at Convert; ");
  EXPECT_EXIT(fault(false), testing::ExitedWithCode(2), "the GPU failed .*CUDA_LAUNCH_BLOCKING=1");
}

}  // namespace
}  // namespace poro
