// Blocks of a fixed size, each summed by one thread in eight lanes; the blocks' sums are added in order.
#include "ops/squared_norm.h"

#include <vector>

namespace poro {
namespace {

constexpr int64_t kBlock = 65536;

double block_sum(const float* x, int64_t count) {
  constexpr int64_t kLanes = 8;
  double sums[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes)
    for (int64_t lane = 0; lane < kLanes; ++lane)
      sums[lane] += static_cast<double>(x[i + lane]) * static_cast<double>(x[i + lane]);
  double sum = 0;
  for (; i < count; ++i) sum += static_cast<double>(x[i]) * static_cast<double>(x[i]);
  for (const double lane : sums) sum += lane;
  return sum;
}

}  // namespace

void run(Cpu& cpu, const SquaredNorm& op) {
  const int64_t count = op.x.elements(), blocks = (count + kBlock - 1) / kBlock;
  std::vector<double> sums(static_cast<size_t>(blocks));
  parallel_for(cpu.pool, blocks, 1, [&](Range range) {
    for (int64_t block = range.begin; block < range.end; ++block)
      sums[static_cast<size_t>(block)] =
          block_sum(op.x.as<float>() + block * kBlock, std::min(kBlock, count - block * kBlock));
  });
  double total = 0;
  for (const double sum : sums) total += sum;
  op.sum.as<double>()[0] = total;
}

}  // namespace poro
