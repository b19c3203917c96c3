// Ranks that split each matrix of a model, and the tokens of what lies between the matrices: column and row splits with
// all-gather before the one and reduce-scatter after the other (Shoeybi et al., Megatron-LM, 2019; Korthikanti et al., Reducing
// activation recomputation, 2022). A rank alone holds everything, and nothing is said.
#pragma once

#include "base/comm.h"
#include "base/tensor.h"
#include "model/config.h"
#include "model/weights.h"

namespace poro {

class TensorRanks {
 public:
  TensorRanks() = default;
  // comm null: alone.
  TensorRanks(Device& device, Comm* comm) : device_(&device), comm_(comm != nullptr && comm->size() > 1 ? comm : nullptr) {}

  bool is_alone() const { return comm_ == nullptr; }
  int size() const { return is_alone() ? 1 : comm_->size(); }
  int rank() const { return is_alone() ? 0 : comm_->rank(); }
  Comm& comm() const { return *comm_; }

  // This rank's rows of a tensor over all tokens.
  Tensor part(const Tensor& whole) const {
    const int64_t rows = whole.dim(0) / size();
    return is_alone() ? whole : whole.rows(rank() * rows, rows);
  }
  // All rows everywhere; each rank's own are in place.
  void gather(const Tensor& whole) const;
  // rows = residual (or nothing) + this rank's rows of the sum over ranks of `whole`.
  void reduce(const Tensor& whole, const Tensor& residual, const Tensor& rows) const;
  // The sum over ranks of a small tensor, added to `to`.
  void add_sum(const Tensor& values, const Tensor& to) const;

 private:
  Device* device_ = nullptr;
  Comm* comm_ = nullptr;
};

// The model that one of `ranks` holds: heads, feed-forward width and vocabulary divided. Throws Error that names what cannot be.
LlamaConfig part_of_config(const LlamaConfig& config, int ranks);

// The shape of a weight of which a rank holds `part`.
Shape whole_shape(const WeightSpec& part, int ranks);

// The rank's part of a whole weight, cut along its split dimension, into `part`.
void copy_part(const Tensor& whole, std::optional<int> split_dim, int rank, const Tensor& part);
// The other way round.
void copy_into_whole(const Tensor& part, std::optional<int> split_dim, int rank, const Tensor& whole);

}  // namespace poro
