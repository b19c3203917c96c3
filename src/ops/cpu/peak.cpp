#include "ops/cpu/peak.h"

#include <algorithm>
#include <ctime>
#include <vector>

#include "base/device.h"
#include "ops/cpu/amx_kernels.h"
#include "ops/cpu/dot_bf16.h"
#include "ops/cpu/kernels.h"

namespace poro {
namespace {

using Rounds = double (*)(int64_t);

// Of this thread alone, so that others on the same processor do not count.
double thread_seconds() {
  timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

// The best of several tries on each thread.
double thread_rate(Rounds rounds) {
  constexpr double kTrySeconds = 0.5e-3;
  double best = 0;
  int64_t count = 1000;
  for (int tries = 0; tries < 6;) {
    const double start = thread_seconds();
    const double operations = rounds(count);
    const double seconds = thread_seconds() - start;
    if (seconds < kTrySeconds) {
      count *= 2;
      continue;
    }
    best = std::max(best, operations / seconds);
    ++tries;
  }
  return best;
}

Rounds unit_rounds([[maybe_unused]] Cpu& cpu, [[maybe_unused]] Unit unit) {
#if defined(__x86_64__)
  if (unit == Unit::kBf16 && cpu.isa >= Isa::kAmx) return amx::bf16_rounds;
  if (unit == Unit::kBf16 && has_fast_bf16_dot(cpu)) return bf16::rounds;
  if (unit == Unit::kInt8 && cpu.isa >= Isa::kAmx) return amx::int8_rounds;
  if (unit == Unit::kInt8 && cpu.isa >= Isa::kVnni) return vnni_rounds;
#endif
  return kernels(cpu.isa).fma_rounds;
}

}  // namespace

double peak_rate(Cpu& cpu, Unit unit) {
  const Rounds rounds = unit_rounds(cpu, unit);
  std::vector<double> rates(static_cast<size_t>(cpu.pool.size()));
  cpu.pool.run([&](int thread) { rates[static_cast<size_t>(thread)] = thread_rate(rounds); });
  double total = 0;
  for (const double rate : rates) total += rate;
  return total;
}

bool has_fast_bf16_dot([[maybe_unused]] Cpu& cpu) {
#if defined(__x86_64__)
  if (cpu.isa < Isa::kVnni || !has_bf16_dot()) return false;
  if (!cpu.bf16_dot_gain) cpu.bf16_dot_gain = thread_rate(bf16::rounds) / thread_rate(kernels(cpu.isa).fma_rounds);
  return *cpu.bf16_dot_gain >= 1.3;
#else
  return false;
#endif
}

}  // namespace poro
