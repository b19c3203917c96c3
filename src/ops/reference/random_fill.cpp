#include "ops/random_fill.h"

namespace poro {

void run(Reference&, const RandomFill& op) {
  for (int64_t i = 0; i < op.to.elements(); ++i) {
    const std::array<uint32_t, 4> words = philox(op.seed, static_cast<uint64_t>(i / 4), op.stream);
    op.to.as<BFloat16>()[i] = BFloat16(random_fill_value(words[static_cast<size_t>(i % 4)]));
  }
}

}  // namespace poro
