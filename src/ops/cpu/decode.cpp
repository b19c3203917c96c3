// Step by step: a processor's products take so long that what lies between them does not count.
#include "ops/decode_steps.h"

namespace poro {

void run(Cpu& cpu, const NormQkv& op) {
  run_in_steps(cpu, op, cpu.operands(step_bytes(op, op.x.dtype)));
}
void run(Cpu& cpu, const NormGateUp& op) {
  run_in_steps(cpu, op, cpu.operands(step_bytes(op, op.x.dtype)));
}

}  // namespace poro
