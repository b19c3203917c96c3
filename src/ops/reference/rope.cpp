// The rotation by its definition, angle by angle.
#include "ops/rope.h"

#include <cmath>

namespace poro {

void run(Reference&, const Rope& op) {
  const int64_t num_heads = op.x.dim(1), half = op.x.dim(2) / 2;
  for (int64_t t = 0; t < op.x.dim(0); ++t) {
    for (int64_t i = 0; i < half; ++i) {
      const double angle = op.positions.as<int32_t>()[t] * op.frequencies.as<double>()[i];
      const double cosine = std::cos(angle);
      const double sine = op.rotation == Rotation::kForward ? std::sin(angle) : -std::sin(angle);
      for (int64_t h = 0; h < num_heads; ++h) {
        const int64_t low = (t * num_heads + h) * 2 * half + i, high = low + half;
        const double a = load_element(op.x, low), b = load_element(op.x, high);
        store_element(op.x, low, a * cosine - b * sine);
        store_element(op.x, high, b * cosine + a * sine);
      }
    }
  }
}

}  // namespace poro
