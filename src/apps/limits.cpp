#include "apps/limits.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <functional>
#include <nlohmann/json.hpp>

#include "ops/gpu_limits.h"

namespace poro {
namespace {

constexpr int64_t kReadBytes = int64_t{1} << 30;
constexpr int kPasses = 8;

// Four lines at a time, fetched 4 KiB ahead: more than the processor's own prefetcher gets.
uint64_t read_all(const std::byte* data, Range range) {
  constexpr int64_t kStride = 256;
  uint64_t sums[kStride / 8] = {};
  for (int64_t at = range.begin; at + kStride <= range.end; at += kStride) {
    uint64_t words[kStride / 8];
    for (int64_t line = 0; line < kStride; line += 64) __builtin_prefetch(data + at + 4096 + line, 0, 2);
    std::memcpy(words, data + at, kStride);
    for (int64_t i = 0; i < kStride / 8; ++i) sums[i] += words[i];
  }
  uint64_t total = 0;
  for (const uint64_t sum : sums) total += sum;
  return total;
}

double seconds_of(ThreadPool& pool, int64_t bytes, const std::function<void(Range)>& body) {
  const auto start = std::chrono::steady_clock::now();
  parallel_for(pool, bytes, 4096, body);
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

double read_bandwidth(ThreadPool& pool) {
  Arena arena("bandwidth");
  const Tensor memory = arena.tensor(DType::kI8, {kReadBytes});
  seconds_of(pool, kReadBytes, [&](Range range) {
    std::memset(memory.data + range.begin, 1, static_cast<size_t>(range.size()));
  });
  const std::span<const std::byte> whole(memory.data, static_cast<size_t>(kReadBytes));
  double best = 0;
  for (int i = 0; i < kPasses; ++i) best = std::max(best, read_rate(pool, {&whole, 1}));
  return best;
}

}  // namespace

double read_rate(ThreadPool& pool, std::span<const std::span<const std::byte>> parts) {
  double seconds = 0, bytes = 0;
  for (const std::span<const std::byte> part : parts) {
    seconds += seconds_of(pool, static_cast<int64_t>(part.size()), [&](Range range) {
      [[maybe_unused]] volatile uint64_t sink = read_all(part.data(), range);
    });
    bytes += static_cast<double>(part.size());
  }
  return bytes / seconds;
}

Limits measure_limits(Cpu& cpu) {
  return {.read_bytes_per_second = read_bandwidth(cpu.pool),
          .f32_flops = peak_rate(cpu, Unit::kF32),
          .bf16_flops = peak_rate(cpu, Unit::kBf16),
          .int8_flops = peak_rate(cpu, Unit::kInt8)};
}

int64_t passes_before_measuring(const Device& device, int64_t num_layers) {
  return device.is_cuda() ? 1 + (kUsesBeforeMeasuring + num_layers - 1) / num_layers : 1;
}

nlohmann::ordered_json to_json(const Limits& limits) {
  return {{"read_gb_per_second", limits.read_bytes_per_second / 1e9},
          {"f32_gflops", limits.f32_flops / 1e9},
          {"bf16_gflops", limits.bf16_flops / 1e9},
          {"int8_gops", limits.int8_flops / 1e9}};
}

}  // namespace poro
