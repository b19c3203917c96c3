#include "ops/convert.h"

namespace poro {

void run(Cpu& cpu, const Convert& op) {
  parallel_for(cpu.pool, op.from.elements(), 4096, [&](Range range) {
    for (int64_t i = range.begin; i < range.end; ++i) store_element(op.to, i, load_element(op.from, i));
  });
}

}  // namespace poro
