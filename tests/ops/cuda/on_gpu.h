// What the tests of CUDA ops share: tensors of the host beside copies on the GPU. Without a GPU every test
// skips with a sentence.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "base/cuda_devices.h"
#include "tests/ops/op_cases.h"

namespace poro {

// A test of the GPU: `gpu(dtype)` is a device with such activations.
class OnGpu : public testing::Test {
 protected:
  void SetUp() override {
    if (cuda_report().devices.empty()) GTEST_SKIP() << "no NVIDIA GPU on this machine";
  }
  // Activations of `dtype`; one device for each, for the whole program.
  static Device& gpu(DType dtype) {
    static std::vector<std::unique_ptr<Device>> devices;
    for (const auto& device : devices)
      if (device->activation_dtype() == dtype) return *device;
    return *devices.emplace_back(Device::cuda(0, dtype));
  }
};

// The types of activations.
constexpr DType kActivations[] = {DType::kF32, DType::kBF16};

// What expect_close allows for sums in f32 that are rounded to `dtype` once: a unit of f32 for every few
// additions, half a step of bf16.
inline double tolerance_of(DType dtype, double f32_tolerance = 1e-6) {
  return dtype == DType::kBF16 ? 0x1p-8 + f32_tolerance : f32_tolerance;
}

// A tensor of the host and its copy on the GPU. Like Guarded: an output starts as NaN, and bytes around it
// must not change.
class GpuTensor {
 public:
  // An output: every element NaN (i32: -1).
  GpuTensor(Device& device, DType dtype, Shape shape) : GpuTensor(device, Guarded(dtype, shape)) {}
  // A copy of `source`.
  GpuTensor(Device& device, const Tensor& source)
      : device_(&device), arena_(std::make_unique<Arena>("test", device)) {
    const size_t bytes = source.bytes();
    std::vector<std::byte> padded(bytes + 2 * kGuard, std::byte{kPattern});
    std::memcpy(padded.data() + kGuard, source.data, bytes);
    whole_ = arena_->tensor(DType::kI8, {static_cast<int64_t>(padded.size())});
    device.copy({.data = padded.data(), .dtype = DType::kI8, .shape = whole_.shape}, whole_);
    view_ = {
        .data = whole_.data + kGuard, .dtype = source.dtype, .shape = source.shape, .place = Place::kGpu};
  }
  GpuTensor(GpuTensor&&) = default;

  operator const Tensor&() const { return view_; }  // NOLINT: it is a tensor.
  const Tensor& tensor() const { return view_; }
  // What is there now; checks the guards.
  Guarded fetch() const {
    std::vector<std::byte> padded(whole_.bytes());
    device_->copy(whole_, {.data = padded.data(), .dtype = DType::kI8, .shape = whole_.shape});
    const auto is_intact = [](std::byte value) { return value == std::byte{kPattern}; };
    EXPECT_TRUE(std::all_of(padded.begin(), padded.begin() + kGuard, is_intact))
        << "written before " << view_.str();
    EXPECT_TRUE(std::all_of(padded.end() - kGuard, padded.end(), is_intact))
        << "written behind " << view_.str();
    Guarded result(view_.dtype, view_.shape);
    std::memcpy(result.tensor().data, padded.data() + kGuard, view_.bytes());
    return result;
  }

 private:
  static constexpr int64_t kGuard = 1024;
  static constexpr unsigned char kPattern = 0xa5;
  Device* device_;
  std::unique_ptr<Arena> arena_;
  Tensor whole_, view_;
};

}  // namespace poro
