// Ranks that split each matrix of a model by columns and then by rows (Shoeybi et al., Megatron-LM, 2019).
// Training splits the tokens of what lies between the matrices too, with all-gather before the one and
// reduce-scatter after the other (Korthikanti et al., Reducing activation recomputation, 2022). Generation,
// which may have but one token, gives every rank all of them: then the sum comes to all. A rank alone holds
// everything, and nothing is said.
#pragma once

#include "base/comm.h"
#include "base/tensor.h"
#include "model/config.h"
#include "model/weights.h"

namespace poro {

// The tokens between the matrices that a rank has.
enum class Between { kParts, kAll };

class TensorRanks {
 public:
  TensorRanks() = default;
  // comm null: alone.
  TensorRanks(Device& device, Comm* comm, Between between = Between::kParts)
      : device_(&device), comm_(comm != nullptr && comm->size() > 1 ? comm : nullptr), between_(between) {}

  bool is_alone() const { return comm_ == nullptr; }
  int size() const { return is_alone() ? 1 : comm_->size(); }
  int rank() const { return is_alone() ? 0 : comm_->rank(); }
  Comm& comm() const { return *comm_; }
  // Into how many parts tokens are split between the matrices.
  int token_parts() const { return between_ == Between::kAll ? 1 : size(); }

  // This rank's rows of a tensor over all tokens.
  Tensor part(const Tensor& whole) const {
    const int64_t rows = whole.dim(0) / token_parts();
    return token_parts() == 1 ? whole : whole.rows(rank() * rows, rows);
  }
  // All rows everywhere; each rank's own are in place.
  void gather(const Tensor& whole) const;
  // rows = residual (or nothing) + this rank's rows of the sum over ranks of `whole`, which may be lost.
  void reduce(const Tensor& whole, const Tensor& residual, const Tensor& rows) const;
  // The sum over ranks of a small tensor, added to `to`.
  void add_sum(const Tensor& values, const Tensor& to) const;

 private:
  Device* device_ = nullptr;
  Comm* comm_ = nullptr;
  Between between_ = Between::kParts;
};

// The model that one of `ranks` holds: heads, feed-forward width and vocabulary divided. Throws Error that
// names what cannot be.
LlamaConfig part_of_config(const LlamaConfig& config, int ranks);

// The shape of a weight of which a rank holds `part`.
Shape whole_shape(const WeightSpec& part, int ranks);

// The rank's part of a whole weight, cut along its split dimension, into `part`.
void copy_part(const Tensor& whole, std::optional<int> split_dim, int rank, const Tensor& part);
// The other way round.
void copy_into_whole(const Tensor& part, std::optional<int> split_dim, int rank, const Tensor& whole);

// From what each rank found over its part of the vocabulary, the target's logit (0 where another has it) and
// the log of the sum of exponentials: the log-probabilities, and the denominators over the whole vocabulary.
// Collective.
std::vector<double> log_probs_of_parts(Comm& comm, std::span<const double> logits,
                                       std::span<const double> lse, std::vector<double>& denominators);

}  // namespace poro
