// The composition of the ops that these replace.
#include <vector>

#include "ops/decode_steps.h"

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
