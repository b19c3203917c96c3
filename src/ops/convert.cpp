#include "ops/convert.h"

namespace poro {

void check(const Convert& op) {
  CHECK(op.from.elements() == op.to.elements(), "{} to {}", op.from.str(), op.to.str());
}

Cost cost(const Convert& op) {
  return {.flops = 0, .bytes = static_cast<double>(op.from.bytes() + op.to.bytes())};
}

void bring(Device& device, const Tensor& from, const Tensor& to) {
  CHECK(from.elements() == to.elements(), "{} to {}", from.str(), to.str());
  const Tensor source = from.reshaped({from.elements()}), target = to.reshaped({to.elements()});
  if (source.dtype == target.dtype) return device.copy(source, target);
  if (source.place == device.place() && target.place == device.place())
    return run(device, Convert{.from = source, .to = target});
  if (source.place == target.place) {  // Both on the host, beside a GPU.
    for (int64_t i = 0; i < source.elements(); ++i) store_element(target, i, load_element(source, i));
    return;
  }
  Arena arena("a tensor on its way", device);
  const Tensor there = arena.tensor(source.place == Place::kHost ? source.dtype : target.dtype, source.shape);
  if (source.place == Place::kHost) {
    device.copy(source, there);
    run(device, Convert{.from = there, .to = target});
  } else {
    run(device, Convert{.from = source, .to = there});
    device.copy(there, target);
  }
}

}  // namespace poro
