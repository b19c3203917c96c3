#include "apps/limits.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <nlohmann/json.hpp>

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

double read_bandwidth(ThreadPool& pool) {
  Arena arena("bandwidth");
  const Tensor memory = arena.tensor(DType::kI8, {kReadBytes});
  const auto pass = [&](const auto& body) {
    const auto start = std::chrono::steady_clock::now();
    parallel_for(pool, kReadBytes, int64_t{2} << 20, body);
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  };
  pass([&](Range range) { std::memset(memory.data + range.begin, 1, static_cast<size_t>(range.size())); });
  double best = 1e30;
  for (int i = 0; i < kPasses; ++i)
    best = std::min(best, pass([&](Range range) {
      [[maybe_unused]] volatile uint64_t sink = read_all(memory.data, range);
    }));
  return static_cast<double>(kReadBytes) / best;
}

}  // namespace

Limits measure_limits(Cpu& cpu) {
  return {.read_bytes_per_second = read_bandwidth(cpu.pool),
          .f32_flops = peak_rate(cpu, Unit::kF32),
          .bf16_flops = peak_rate(cpu, Unit::kBf16),
          .int8_flops = peak_rate(cpu, Unit::kInt8)};
}

nlohmann::ordered_json to_json(const Limits& limits) {
  return {{"read_gb_per_second", limits.read_bytes_per_second / 1e9},
          {"f32_gflops", limits.f32_flops / 1e9},
          {"bf16_gflops", limits.bf16_flops / 1e9},
          {"int8_gops", limits.int8_flops / 1e9}};
}

}  // namespace poro
