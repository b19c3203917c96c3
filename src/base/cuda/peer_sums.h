// Sums over a few GPUs of one machine of what takes longer to announce than to carry: each GPU writes its
// part straight into the others' memory, every number beside a mark that says which sum it belongs to, so
// that whoever waits for a number sees it come, and no other message is needed (the LL protocol of NCCL). A
// sum is one kernel, which a graph may hold.
#pragma once

#include <memory>
#include <vector>

#include "base/comm.h"
#include "base/cuda/state.h"

namespace poro {

class PeerSums {
 public:
  static constexpr int64_t kMostElements = int64_t{64} * 8192;
  static constexpr int kMostRanks = 8;

  // Null, on all ranks alike, where some GPU cannot reach another's memory. Collective.
  static std::unique_ptr<PeerSums> open(Cuda& cuda, Comm& host);
  ~PeerSums();

  // As Comm's, for at most kMostElements.
  void sum_onto(const Tensor& part, const Tensor& residual, const Tensor& to);

 private:
  explicit PeerSums(Cuda& cuda) : cuda_(&cuda) {}

  Cuda* cuda_;
  int rank_ = 0, ranks_ = 1;
  std::byte* memory_ = nullptr;     // What the others write, and the number of the next sum.
  std::vector<std::byte*> theirs_;  // The others' memory as this GPU sees it; null for this rank.
};

// to = residual (or nothing) + part: each f32 or bf16.
void add_on_gpu(Cuda& cuda, const Tensor& part, const Tensor& residual, const Tensor& to);

}  // namespace poro
