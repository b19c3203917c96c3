#include "ops/swiglu.h"

#include "ops/cpu/kernels.h"

namespace poro {

void run(Cpu& cpu, const SwiGlu& op) {
  // Below a few thousand elements a second thread costs more than it saves.
  parallel_for(cpu.pool, op.y.elements(), 4096, [&](Range range) {
    kernels(cpu.isa).swiglu({.gate = op.gate.as<float>() + range.begin,
                             .up = op.up.as<float>() + range.begin,
                             .y = op.y.as<float>() + range.begin,
                             .count = range.size()});
  });
}

}  // namespace poro
