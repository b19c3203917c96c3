// Ranks that work on one run, and what they say to each other. Every call is collective: all ranks of a
// communicator make the same calls in the same order. Sums are taken in the order of the ranks, so that a run
// gives the same bits every time. Backends: one rank alone, threads of this process (for tests), MPI between
// processes.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <span>

#include "base/device.h"

namespace poro {

class Comm {
 public:
  virtual ~Comm() = default;

  virtual int rank() const = 0;
  virtual int size() const = 0;
  virtual void barrier() = 0;
  // Rank i's bytes are the i-th part of everyone's `whole`. Parts are of one size; a rank's own may already
  // lie in place.
  virtual void all_gather(std::span<const std::byte> part, std::span<std::byte> whole) = 0;
  // The i-th part of `from` goes to rank i, and comes to lie in its `to` at this rank's place.
  virtual void all_to_all(std::span<const std::byte> from, std::span<std::byte> to) = 0;
  // The bytes of rank 0 everywhere.
  virtual void broadcast(std::span<std::byte> bytes) = 0;
  // The ranks of one colour, in the order of their ranks here.
  virtual std::unique_ptr<Comm> split(int color) = 0;
  // Ends all ranks at once, from one that cannot go on. Returns only where ranks are not processes.
  virtual void abort(int exit_code) = 0;

  // The same as all_gather for tensors, which may lie on the GPUs that the ranks compute with; so may those
  // of the next two.
  virtual void gather(const Tensor& part, const Tensor& whole);
  // The sum over ranks of the rank-th part of `whole` (f32, f64, or bf16 on a GPU); `whole` stays as it is,
  // but for a `part` in it.
  virtual void reduce_scatter(const Tensor& whole, const Tensor& part);
  // The sum over ranks, everywhere, in place.
  virtual void all_reduce(const Tensor& values);
  // to = residual (or nothing) + the sum over ranks of `part`, the same bits everywhere. `part` may be lost;
  // `to` may be `residual`. On the host all are f32, or f64; on GPUs each may be f32 or bf16, and little ones
  // cost microseconds.
  virtual void sum_onto(const Tensor& part, const Tensor& residual, const Tensor& to);
  double sum(double value);
  double maximum(double value);
  bool is_any(bool value) { return maximum(value ? 1 : 0) > 0; }

 private:
  std::byte* scratch(size_t bytes);

  std::unique_ptr<std::byte[]> scratch_;
  size_t scratch_bytes_ = 0;
};

// One rank: every call is done at once.
std::unique_ptr<Comm> solo_comm();

// The ranks that mpirun or srun started this process among; one rank alone without them. Once in a process.
// Throws Error.
std::unique_ptr<Comm> world_comm();

// Ranks that compute with this device, whose tensors may lie on it: `host`, and on GPUs NCCL beside it.
// Collective. Throws Error.
std::unique_ptr<Comm> comm_of(Device& device, std::unique_ptr<Comm> host);

// This process's number among those on its machine, as mpirun or srun say it; 0 without them.
int local_rank();

// Runs `body` on `ranks` threads, each with its communicator, and returns when all have. The first exception
// is thrown here. A rank that throws while others wait for it would leave them waiting, so all stop at their
// next call.
void run_ranks(int ranks, const std::function<void(Comm& comm)>& body);

}  // namespace poro
