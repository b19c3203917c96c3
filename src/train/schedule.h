// The learning rate of a step: a warm-up from zero in equal parts, then the schedule's fall to the floor.
// Step 0 has rate 0 when there is a warm-up, as in transformers.
#pragma once

#include <array>
#include <cstdint>

#include "base/config.h"

namespace poro {

// wsd: warm-up, stable, then a linear decay over the last part of the run (Hu et al., MiniCPM, 2024).
enum class ScheduleKind { kLinear, kCosine, kConstant, kWsd };
constexpr std::array<Choice<ScheduleKind>, 4> choices(ScheduleKind) {
  return {{{"linear", ScheduleKind::kLinear},
           {"cosine", ScheduleKind::kCosine},
           {"constant", ScheduleKind::kConstant},
           {"wsd", ScheduleKind::kWsd}}};
}

struct Schedule {
  ScheduleKind kind = ScheduleKind::kLinear;
  double peak = 0, floor = 0;
  int64_t total_steps = 1, warmup_steps = 0;
  int64_t decay_steps = 0;  // Of wsd

  // The rate of step 0, 1, ...
  double operator()(int64_t step) const;
};

}  // namespace poro
