// Where operations run. A Device holds exactly one backend: Reference (naive, double precision, the oracle),
// Cpu (threads and the processor's instruction set) or Cuda (one GPU and its stream). The door in ops/op.h
// picks the backend's `run` overload.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <span>
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

// One NVIDIA GPU. Everything runs on one stream, in order; one thread at a time drives it. What it is made of
// is base/cuda/state.h's business, so that this header needs no CUDA; in builds without CUDA the constructor
// fails.
class Cuda {
 public:
  struct State;

  // `activations`: the type between operations, kBF16 or kF32. Throws Error when there is no such GPU or
  // driver.
  Cuda(int index, DType activations);
  ~Cuda();

  // Scratch memory of the GPU for one operation, 256-byte aligned; the next call may give the same memory
  // away. Grows to the largest request, which must not happen while a graph is recorded.
  std::byte* scratch(size_t bytes);
  // The same for an operation that hands its operands, made over, to another one, which has scratch of its
  // own.
  std::byte* operands(size_t bytes);
  State& state() { return *state_; }

  const DType activations;

 private:
  std::unique_ptr<State> state_;
};

class Trace;

class Device {
 public:
  static std::unique_ptr<Device> reference();
  // `threads` 0: every core this process may use.
  static std::unique_ptr<Device> cpu(int threads = 0);
  static std::unique_ptr<Device> cuda(int index, DType activations = DType::kBF16);

  bool is_reference() const { return std::holds_alternative<Reference>(backend_); }
  bool is_cuda() const { return std::holds_alternative<Cuda>(backend_); }
  // The type of activations: f64 on the reference, f32 on the CPU, f32 or bf16 on a GPU.
  DType activation_dtype() const;
  // The type of sums that must stay exact (norms' statistics, log-probabilities, master weights): f64 on the
  // reference, else f32.
  DType exact_dtype() const { return is_reference() ? DType::kF64 : DType::kF32; }
  // Where tensors of its arenas lie, and its ops' arguments.
  Place place() const { return is_cuda() ? Place::kGpu : Place::kHost; }
  std::string name() const;

  // Copies all bytes of `from` to `to`, which is as long, wherever each lies. Ordered with the device's ops;
  // what comes to the host is there on return, and what came from the host may be changed.
  void copy(const Tensor& from, const Tensor& to);
  void zero(const Tensor& tensor);
  // Columns [first, first + C) of `from` (R, more than C) to `to` (R, C), both in the device's memory;
  // elements of whole bytes.
  void copy_columns(const Tensor& from, int64_t first, const Tensor& to);
  // Returns when all ops before are done.
  void synchronize();

  std::variant<Reference, Cpu, Cuda>& backend() { return backend_; }
  // The backend; a bug if this is another device.
  Cpu& cpu_backend() { return std::get<Cpu>(backend_); }
  Cuda& cuda_backend() { return std::get<Cuda>(backend_); }

  Trace* trace = nullptr;  // When set, the door records every operation there.

 private:
  template <class Kind, class... Args>
  explicit Device(std::in_place_type_t<Kind> kind, const Args&... args) : backend_(kind, args...) {}

  std::variant<Reference, Cpu, Cuda> backend_;
};

// A sequence of ops that a GPU runs again and again on the same memory. The first run prepares whatever the
// ops grow, the second is recorded, and from then on the recording is replayed, so launching costs next to
// nothing. Other devices, and a device that traces, run the body each time.
class Recording {
 public:
  void run(Device& device, const std::function<void()>& body);

 private:
  int runs_ = 0;
  std::shared_ptr<void> graph_;
};

// Memory with a name, allocated at start and freed together; `report` of several arenas is the memory plan.
// Pages of the host are backed by huge pages where the system offers them.
class Arena {
 public:
  explicit Arena(std::string name) : name_(std::move(name)) {}
  // Memory that the device's ops read and write.
  Arena(std::string name, Device& device)
      : name_(std::move(name)), cuda_(device.is_cuda() ? &device.cuda_backend() : nullptr) {}
  ~Arena();
  Arena(Arena&& other) noexcept;
  Arena& operator=(Arena&&) = delete;

  // Zeros, 64-byte aligned (a page of its own for each). Throws Error with the sizes when memory is short.
  Tensor tensor(DType dtype, Shape shape);

  const std::string& name() const { return name_; }
  size_t bytes() const { return bytes_; }
  Place place() const { return cuda_ != nullptr ? Place::kGpu : Place::kHost; }

 private:
  struct Block {
    std::byte* data;
    size_t bytes;
  };
  std::byte* host_block(size_t bytes);

  std::string name_;
  Cuda* cuda_ = nullptr;
  std::vector<Block> blocks_;
  size_t bytes_ = 0;
};

// What the GPU does for the classes above: two implementations, cuda/ and, in builds without CUDA, nocuda/.
namespace gpu {
std::string name(const Cuda& cuda);
// Zeros; null when memory is short.
std::byte* allocate(Cuda& cuda, size_t bytes);
void release(Cuda& cuda, std::byte* memory);
// Free and total bytes of the GPU.
std::pair<size_t, size_t> memory(Cuda& cuda);
void copy(Cuda& cuda, const Tensor& from, const Tensor& to);
void zero(Cuda& cuda, const Tensor& tensor);
void copy_columns(Cuda& cuda, const Tensor& from, int64_t first, const Tensor& to);
void synchronize(Cuda& cuda);
// Whether a recording may stand for its ops: not where each op is waited for.
bool may_record(Cuda& cuda);
// What `body` launches, not run but recorded.
std::shared_ptr<void> record(Cuda& cuda, const std::function<void()>& body);
void replay(Cuda& cuda, void* graph);
}  // namespace gpu

}  // namespace poro
