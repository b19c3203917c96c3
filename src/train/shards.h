// The memory of a run, and how data-parallel ranks share it out (Rajbhandari et al., ZeRO, 2020). Weights lie
// flat, unit after unit (embedding, blocks, head); each unit is cut into one share per rank. One setting says
// what a rank keeps only its share of: 0 nothing, 1 master weights and moments, 2 gradients too, 3 weights
// too. Whatever the setting, the sums over ranks are the same sums in the same order.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "base/comm.h"
#include "base/device.h"
#include "model/checkpoint.h"
#include "model/llama.h"

namespace poro {

struct ShardOptions {
  DType weights = DType::kF32;  // What products read: the master weights' type, or bf16 beside them
  DType master = DType::kF32;   // Weights as the optimizer keeps them, and gradients
  DType moments = DType::kF32;  // The same, or bf16
  int64_t zero = 0;
  Comm* tensor_ranks = nullptr;  // Ranks that hold the other parts of each matrix, if any
};

class Shards final : public WeightUnits {
 public:
  // Memory for the weights of `config` (of its part that this rank holds), all zero. `comm`: the
  // data-parallel ranks.
  Shards(Device& device, Comm& comm, const LlamaConfig& config, const ShardOptions& options);

  // Every weight from `source`, which gives its whole values by its name.
  using Source = std::function<Tensor(const WeightSpec& spec)>;
  void fill(const Source& source);

  // Views in the order of the weight table, for Llama::over and LlamaGradients. With pieces shared out they
  // hold something between the calls of WeightUnits only.
  std::vector<Tensor> weights() const { return weight_views_; }
  std::vector<Tensor> gradients() const { return gradient_views_; }

  void zero_gradients();
  // The sum of the gradients over the ranks: complete in this rank's share (everywhere with zero = 0).
  void reduce();
  // The new weights of all shares to all ranks.
  void gather();

  void fetch(int64_t unit) override;
  void begin_gradients(int64_t unit) override;
  void end_gradients(int64_t unit) override;

  // What this rank updates, in pieces that lie within one weight.
  struct Owned {
    int64_t weight = 0;  // Index in the table
    int64_t first = 0;   // Of the weight's elements
    Tensor master, gradient, moment1, moment2;
    Tensor rounded;  // Or none: where the new weights go in the products' type
  };
  const std::vector<Owned>& owned() const { return owned_; }
  // The rank's share of a norm: ranks that keep everything count each element once.
  bool counts_everything() const { return options_.zero == 0; }

  const std::vector<WeightSpec>& table() const { return table_; }
  Comm& comm() { return *comm_; }
  Device& device() { return *device_; }
  // One weight, whole, on every rank, in the master's type; the memory lives until the next call. Collective.
  Tensor whole_weight(int64_t weight);
  const TensorRanks& tensor_ranks() const { return tensor_ranks_; }

  struct Memory {
    std::string name;
    size_t bytes;
  };
  std::vector<Memory> memory() const;

 private:
  struct Unit {
    std::vector<int64_t> weights;  // Indices in the table
    int64_t elements = 0;          // Padded to a whole share for each rank
    int64_t share = 0;             // Elements of a rank's share
    Tensor weights_whole,
        gradients_whole;   // (elements); with pieces shared out, memory that units take in turn
    Tensor weights_share;  // (share) in the products' type: in weights_whole, or none
    Tensor master, gradients_share, first, second;  // (owned elements)
  };

  void lay_out(const LlamaConfig& config);
  void allocate();
  void name_owned();
  int64_t owned_elements(const Unit& unit) const { return options_.zero == 0 ? unit.elements : unit.share; }
  Tensor share_of(const Tensor& whole, const Unit& unit) const;
  void gather_unit(Unit& unit);

  Device* device_;
  Comm* comm_;
  ShardOptions options_;
  TensorRanks tensor_ranks_;
  DType master_dtype_;
  std::vector<WeightSpec> table_;
  std::vector<int64_t> unit_of_, offset_in_unit_;  // Of each weight
  std::vector<Unit> units_;
  std::vector<Tensor> weight_views_, gradient_views_;
  std::vector<Owned> owned_;
  Arena weight_arena_, master_arena_, gradient_arena_, moment_arena_;
  std::unique_ptr<Arena> whole_arena_;
};

}  // namespace poro
