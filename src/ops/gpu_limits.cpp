#include "ops/gpu_limits.h"

#include <algorithm>
#include <chrono>
#include <functional>

#include "ops/linear.h"
#include "ops/random_fill.h"

namespace poro {
namespace {

// Seconds of one run of `work`, the median of several after one that warms up.
double seconds_of(Device& device, const std::function<void()>& work) {
  constexpr int kRuns = 5, kPerRun = 4;
  std::vector<double> seconds;
  for (int run = 0; run <= kRuns; ++run) {
    device.synchronize();
    const auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < kPerRun; ++i) work();
    device.synchronize();
    if (run > 0)
      seconds.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() /
                        kPerRun);
  }
  std::nth_element(seconds.begin(), seconds.begin() + kRuns / 2, seconds.end());
  return seconds[kRuns / 2];
}

}  // namespace

double gpu_copy_rate(Device& device) {
  // As much as is free beside a large model, at most 2 GiB; several times any cache all the same.
  const size_t free = gpu::memory(device.cuda_backend()).first;
  const int64_t bytes = static_cast<int64_t>(std::clamp<size_t>(free / 4, size_t{64} << 20, size_t{1} << 30));
  Arena arena("bandwidth", device);
  const Tensor from = arena.tensor(DType::kBF16, {bytes / 2}), to = arena.tensor(DType::kBF16, {bytes / 2});
  run(device, RandomFill{.to = from, .seed = 1});
  return 2.0 * static_cast<double>(bytes) / seconds_of(device, [&] { device.copy(from, to); });
}

double gpu_product_rate(Device& device) {
  constexpr int64_t kSize = 8192;
  Arena arena("product", device);
  const Tensor x = arena.tensor(DType::kBF16, {kSize, kSize}), w = arena.tensor(DType::kBF16, {kSize, kSize}),
               y = arena.tensor(DType::kBF16, {kSize, kSize});
  run(device, RandomFill{.to = x, .seed = 1});
  run(device, RandomFill{.to = w, .seed = 2});
  const Linear product{.x = x, .w = {.values = w}, .y = y, .residual = {}};
  return 2.0 * kSize * kSize * kSize / seconds_of(device, [&] { run(device, product); });
}

}  // namespace poro
