// The composition of the ops that these replace.
#include "ops/decode_steps.h"

#include <vector>

namespace poro {

void run(Reference& reference, const NormQkv& op) {
  std::vector<std::byte> memory(step_bytes(op, op.x.dtype));
  run_in_steps(reference, op, memory.data());
}

void run(Reference& reference, const NormGateUp& op) {
  std::vector<std::byte> memory(step_bytes(op, op.x.dtype));
  run_in_steps(reference, op, memory.data());
}

}  // namespace poro
