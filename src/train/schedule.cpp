#include "train/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace poro {

double Schedule::operator()(int64_t step) const {
  if (step < warmup_steps) return peak * static_cast<double>(step) / static_cast<double>(warmup_steps);
  const auto share = [](int64_t part, int64_t whole) {
    return std::clamp(static_cast<double>(part) / static_cast<double>(std::max<int64_t>(whole, 1)), 0.0, 1.0);
  };
  const double fall = peak - floor;
  switch (kind) {
    case ScheduleKind::kConstant:
      return peak;
    case ScheduleKind::kLinear:
      return floor + fall * share(total_steps - step, total_steps - warmup_steps);
    case ScheduleKind::kWsd:
      return floor + fall * share(total_steps - step, decay_steps);
    case ScheduleKind::kCosine: {
      const double progress = share(step - warmup_steps, total_steps - warmup_steps);
      return floor + fall * 0.5 * (1.0 + std::cos(std::numbers::pi * progress));
    }
  }
  return peak;
}

}  // namespace poro
