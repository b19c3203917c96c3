// What this machine can do, measured in the run that reports a share of it.
#pragma once

#include <cstddef>
#include <nlohmann/json_fwd.hpp>
#include <span>

#include "base/device.h"
#include "ops/cpu/peak.h"

namespace poro {

struct Limits {
  double read_bytes_per_second = 0;  // All threads reading 1 GiB on huge pages, the best of several passes.
  double f32_flops = 0;  // Operations per second, a multiplication and an addition being two: ops/cpu/peak.h
  double bf16_flops = 0;
  double int8_flops = 0;

  double peak(Unit unit) const {
    return unit == Unit::kF32 ? f32_flops : unit == Unit::kBf16 ? bf16_flops : int8_flops;
  }
};

Limits measure_limits(Cpu& cpu);
// One pass of all threads over these bytes, which are more than the caches hold: bytes per second.
double read_rate(ThreadPool& pool, std::span<const std::span<const std::byte>> parts);

// How often a model passes through its blocks until nothing is done for the first time, or chosen, any more:
// memory touched, and on a GPU the algorithms of products that come once a block.
int64_t passes_before_measuring(const Device& device, int64_t num_layers);

nlohmann::ordered_json to_json(const Limits& limits);

}  // namespace poro
