#include "ops/random_fill.h"

namespace poro {

void run(Cpu& cpu, const RandomFill& op) {
  const int64_t count = op.to.elements();
  BFloat16* out = op.to.as<BFloat16>();
  parallel_for(cpu.pool, (count + 3) / 4, 1024, [&](Range range) {
    for (int64_t block = range.begin; block < range.end; ++block) {
      const std::array<uint32_t, 4> words = philox(op.seed, static_cast<uint64_t>(block), op.stream);
      for (int64_t i = block * 4; i < std::min(count, block * 4 + 4); ++i)
        out[i] = BFloat16(random_fill_value(words[static_cast<size_t>(i & 3)]));
    }
  });
}

}  // namespace poro
