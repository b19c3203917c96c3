// The norm by its definition.
#include "ops/norm.h"

#include <cmath>

namespace poro {

void run(Reference&, const RmsNorm& op) {
  const int64_t width = op.x.dim(1);
  for (int64_t t = 0; t < op.x.dim(0); ++t) {
    double sum = 0;
    for (int64_t c = 0; c < width; ++c)
      sum += load_element(op.x, t * width + c) * load_element(op.x, t * width + c);
    const double rstd = 1.0 / std::sqrt(sum / static_cast<double>(width) + op.eps);
    if (op.rstd) store_element(op.rstd, t, rstd);
    for (int64_t c = 0; c < width; ++c)
      store_element(op.y, t * width + c, load_element(op.x, t * width + c) * rstd * load_element(op.w, c));
  }
}

void run(Reference&, const RmsNormBackward& op) {
  const int64_t width = op.x.dim(1);
  for (int64_t t = 0; t < op.x.dim(0); ++t) {
    const double rstd = load_element(op.rstd, t);
    double mean = 0;
    for (int64_t c = 0; c < width; ++c)
      mean += load_element(op.dy, t * width + c) * load_element(op.w, c) * load_element(op.x, t * width + c) *
              rstd;
    mean /= static_cast<double>(width);
    for (int64_t c = 0; c < width; ++c) {
      const double normed = load_element(op.x, t * width + c) * rstd, dy = load_element(op.dy, t * width + c);
      const double dx = rstd * (dy * load_element(op.w, c) - normed * mean);
      store_element(op.dx, t * width + c, load_element(op.dx, t * width + c) + dx);
      store_element(op.dw, c, load_element(op.dw, c) + dy * normed);
    }
  }
}

}  // namespace poro
