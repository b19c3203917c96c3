// Where operations run. A Device holds exactly one backend: Reference (naive, double precision, the oracle)
// or Cpu (threads and the processor's instruction set). The door in ops/op.h picks the backend's `run`
// overload.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/cpu_isa.h"
#include "base/tensor.h"
#include "base/threads.h"

namespace poro {

// The oracle: every operation as plain loops in double precision, one thread.
struct Reference {};

// The processor. One thread at a time drives it.
class Cpu {
 public:
  // `level` no higher than detect_isa().
  explicit Cpu(int threads, Isa level = detect_isa()) : isa(level), pool(threads) {}

  // Scratch memory for one operation, 64-byte aligned; the content is lost at the next call. Grows to the
  // largest request.
  std::byte* scratch(size_t bytes) { return grown(scratch_, bytes); }
  // The same for an operation that hands its operands, made over, to another one, which has scratch of its
  // own.
  std::byte* operands(size_t bytes) { return grown(operands_, bytes); }

  const Isa isa;
  ThreadPool pool;
  std::optional<double> bf16_dot_gain;  // ops/cpu/peak.h, once measured.

 private:
  struct Free {
    void operator()(std::byte* memory) const;
  };
  struct Growing {
    std::unique_ptr<std::byte, Free> memory;
    size_t bytes = 0;
  };
  static std::byte* grown(Growing& growing, size_t bytes);

  Growing scratch_, operands_;
};

class Trace;

class Device {
 public:
  static std::unique_ptr<Device> reference();
  // `threads` 0: every core this process may use.
  static std::unique_ptr<Device> cpu(int threads = 0);

  bool is_reference() const { return std::holds_alternative<Reference>(backend_); }
  // The type of activations: f64 on the reference, f32 on the CPU.
  DType activation_dtype() const { return is_reference() ? DType::kF64 : DType::kF32; }
  std::string name() const;

  std::variant<Reference, Cpu>& backend() { return backend_; }
  // The CPU backend; a bug if this is another device.
  Cpu& cpu_backend() { return std::get<Cpu>(backend_); }

  Trace* trace = nullptr;  // When set, the door records every operation there.

 private:
  explicit Device(std::in_place_type_t<Reference> kind) : backend_(kind) {}
  Device(std::in_place_type_t<Cpu> kind, int threads) : backend_(kind, threads) {}

  std::variant<Reference, Cpu> backend_;
};

// Memory with a name, allocated at start and freed together; `report` of several arenas is the memory plan.
// Pages are backed by huge pages where the system offers them.
class Arena {
 public:
  explicit Arena(std::string name) : name_(std::move(name)) {}
  ~Arena();
  Arena(Arena&&) = default;
  Arena& operator=(Arena&&) = delete;

  // Zeros, 64-byte aligned (a page of its own for each). Throws Error with the sizes when memory is short.
  Tensor tensor(DType dtype, Shape shape);

  const std::string& name() const { return name_; }
  size_t bytes() const { return bytes_; }

 private:
  struct Block {
    std::byte* data;
    size_t bytes;
  };
  std::string name_;
  std::vector<Block> blocks_;
  size_t bytes_ = 0;
};

}  // namespace poro
