#include "ops/add.h"

namespace poro {

void run(Cpu& cpu, const Add& op) {
  const float *a = op.a.as<float>(), *b = op.b ? op.b.as<float>() : nullptr;
  float* to = op.to.as<float>();
  parallel_for(cpu.pool, op.to.elements(), 1 << 14, [&](Range range) {
    for (int64_t i = range.begin; i < range.end; ++i) to[i] = a[i] + (b != nullptr ? b[i] : 0.0f);
  });
}

}  // namespace poro
