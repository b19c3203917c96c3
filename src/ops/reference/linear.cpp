// The product by its definition. A quantised matrix is what dequantize_row says it is.
#include "ops/linear.h"

#include <vector>

#include "ops/quantize.h"

namespace poro {

void run(Reference&, const Linear& op) {
  const int64_t num_rows = op.x.dim(0), inputs = op.w.inputs(), outputs = op.w.outputs();
  std::vector<double> x(static_cast<size_t>(op.x.elements())), w(static_cast<size_t>(inputs));
  for (int64_t i = 0; i < op.x.elements(); ++i) x[static_cast<size_t>(i)] = load_element(op.x, i);
  std::vector<float> dequantised(op.w.is_quantised() ? static_cast<size_t>(inputs) : 0);
  for (int64_t o = 0; o < outputs; ++o) {
    if (op.w.is_quantised()) {
      dequantize_row(op.w, o, dequantised);
      std::copy(dequantised.begin(), dequantised.end(), w.begin());
    } else {
      for (int64_t i = 0; i < inputs; ++i)
        w[static_cast<size_t>(i)] = load_element(op.w.values, o * inputs + i);
    }
    for (int64_t t = 0; t < num_rows; ++t) {
      double sum = op.residual ? load_element(op.residual, t * outputs + o) : 0.0;
      for (int64_t i = 0; i < inputs; ++i)
        sum += x[static_cast<size_t>(t * inputs + i)] * w[static_cast<size_t>(i)];
      store_element(op.y, t * outputs + o, sum);
    }
  }
}

void run(Reference& reference, const Linears& op) {
  for (size_t i = 0; i < op.parts.size(); ++i) run(reference, op.part(i));
}

void run(Reference&, const LinearInputGradient& op) {
  const int64_t outputs = op.w.outputs(), inputs = op.w.inputs();
  std::vector<double> w(static_cast<size_t>(outputs * inputs));
  for (int64_t i = 0; i < outputs * inputs; ++i) w[static_cast<size_t>(i)] = load_element(op.w.values, i);
  for (int64_t t = 0; t < op.dy.dim(0); ++t) {
    std::vector<double> sums(static_cast<size_t>(inputs));
    for (int64_t i = 0; op.residual && i < inputs; ++i)
      sums[static_cast<size_t>(i)] = load_element(op.residual, t * inputs + i);
    for (int64_t o = 0; o < outputs; ++o) {
      const double dy = load_element(op.dy, t * outputs + o);
      for (int64_t i = 0; i < inputs; ++i)
        sums[static_cast<size_t>(i)] += dy * w[static_cast<size_t>(o * inputs + i)];
    }
    for (int64_t i = 0; i < inputs; ++i) store_element(op.dx, t * inputs + i, sums[static_cast<size_t>(i)]);
  }
}

void run(Reference&, const LinearWeightGradient& op) {
  const int64_t outputs = op.dw.dim(0), inputs = op.dw.dim(1);
  for (int64_t o = 0; o < outputs; ++o) {
    std::vector<double> sums(static_cast<size_t>(inputs));
    for (int64_t i = 0; i < inputs; ++i) sums[static_cast<size_t>(i)] = load_element(op.dw, o * inputs + i);
    for (int64_t t = 0; t < op.dy.dim(0); ++t) {
      const double dy = load_element(op.dy, t * outputs + o);
      for (int64_t i = 0; i < inputs; ++i)
        sums[static_cast<size_t>(i)] += dy * load_element(op.x, t * inputs + i);
    }
    for (int64_t i = 0; i < inputs; ++i) store_element(op.dw, o * inputs + i, sums[static_cast<size_t>(i)]);
  }
}

}  // namespace poro
