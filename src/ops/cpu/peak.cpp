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

double rate(Rounds rounds, int64_t count) {
  const double start = thread_seconds();
  const double operations = rounds(count);
  return operations / (thread_seconds() - start);
}

// Rounds that take about this long.
int64_t rounds_for(Rounds rounds, double seconds) {
  int64_t count = 256;
  for (double start = thread_seconds(); rounds(count), thread_seconds() - start < seconds;
       start = thread_seconds())
    count *= 2;
  return count;
}

// The best of several tries on each thread.
double thread_rate(Rounds rounds) {
  const int64_t count = rounds_for(rounds, 0.5e-3);
  double best = 0;
  for (int tries = 0; tries < 6; ++tries) best = std::max(best, rate(rounds, count));
  return best;
}

Rounds unit_rounds([[maybe_unused]] Cpu& cpu, [[maybe_unused]] Unit unit) {
#if defined(__x86_64__)
  if (unit == Unit::kBf16 && cpu.isa >= Isa::kAmx) return amx::bf16_rounds;
  if (unit == Unit::kBf16 && has_fast_bf16_dot(cpu.isa)) return bf16::rounds;
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

}  // namespace poro
