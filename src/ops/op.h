// The door. An op is a struct: its fields are the arguments, `check` the contract, `cost` the work, and one
// `run` overload per backend the implementation. Everything passes through run(device, Op{...}), so checks,
// tracing and cost are written once.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/device.h"
#include "ops/trace.h"

namespace poro {

// The least work an op must do: floating-point operations, and bytes of memory read or written once each.
struct Cost {
  double flops = 0;
  double bytes = 0;
};

// Declares the contract, the cost and the backends of an op. A backend that is missing is a linker error that
// names the op.
#define PORO_OP(Op)                               \
  constexpr std::string_view op_name(const Op&) { \
    return #Op;                                   \
  }                                               \
  void check(const Op& op);                       \
  Cost cost(const Op& op);                        \
  void run(Reference& reference, const Op& op);   \
  void run(Cpu& cpu, const Op& op);               \
  void run(Cuda& cuda, const Op& op)

template <class Op>
void run(Device& device, const Op& op) {
  check(op);
  try {
    if (device.trace == nullptr) {
      std::visit([&](auto& backend) { run(backend, op); }, device.backend());
      return;
    }
    OpTimer timer(device);
    std::visit([&](auto& backend) { run(backend, op); }, device.backend());
    const Cost work = cost(op);
    timer.stop(op_name(op), work.flops, work.bytes);
  } catch (const GpuFault& fault) {
    throw fault.seen_at(op_name(op));
  }
}

// The contracts' vocabulary.
#define CHECK_SHAPE(tensor, ...)                                                               \
  CHECK((tensor).shape == (Shape __VA_ARGS__), #tensor " is {}, not {}", (tensor).shape.str(), \
        (Shape __VA_ARGS__).str())

}  // namespace poro
