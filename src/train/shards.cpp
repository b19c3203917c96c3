#include "train/shards.h"

#include <algorithm>

#include "ops/add.h"
#include "ops/convert.h"

namespace poro {
namespace {

// Shares of a unit start on a cache line whatever the type.
constexpr int64_t kShareGrain = 32;

}  // namespace

Shards::Shards(Device& device, Comm& comm, const LlamaConfig& config, const ShardOptions& options)
    : device_(&device),
      comm_(&comm),
      options_(options),
      tensor_ranks_(device, options.tensor_ranks),
      master_dtype_(options.master),
      weight_arena_("weights", device),
      master_arena_("master weights", device),
      gradient_arena_("gradients", device),
      moment_arena_("moments", device) {
  lay_out(part_of_config(config, tensor_ranks_.size()));
  allocate();
  name_owned();
}

void Shards::lay_out(const LlamaConfig& config) {
  table_ = weight_table(config);
  units_.resize(static_cast<size_t>(config.num_layers) + 2);
  const size_t after_blocks = config.has_tied_head ? 1 : 2;  // The final norm, and the head.
  const size_t weights_per_block =
      (table_.size() - 1 - after_blocks) / static_cast<size_t>(config.num_layers);
  for (size_t i = 0; i < table_.size(); ++i) {
    const size_t unit =
        i == 0 ? 0 : std::min((i - 1) / weights_per_block, static_cast<size_t>(config.num_layers)) + 1;
    units_[unit].weights.push_back(static_cast<int64_t>(i));
    unit_of_.push_back(static_cast<int64_t>(unit));
    offset_in_unit_.push_back(units_[unit].elements);
    units_[unit].elements += table_[i].shape.elements();
  }
  for (Unit& unit : units_) {
    const int64_t grain = kShareGrain * comm_->size();
    unit.elements = (unit.elements + grain - 1) / grain * grain;
    unit.share = unit.elements / comm_->size();
  }
}

Tensor Shards::share_of(const Tensor& whole, const Unit& unit) const {
  return options_.zero == 0 ? whole : whole.rows(comm_->rank() * unit.share, unit.share);
}

void Shards::allocate() {
  // Blocks are alike, and with pieces shared out they take turns in one memory.
  const auto shared_with = [&](size_t unit) -> Unit* {
    return unit > 1 && unit + 1 < units_.size() ? &units_[1] : nullptr;
  };
  for (size_t i = 0; i < units_.size(); ++i) {
    Unit& unit = units_[i];
    const Shape whole = {unit.elements}, owned = {owned_elements(unit)};
    Unit* first_block = shared_with(i);
    unit.weights_whole = options_.zero == 3 && first_block != nullptr
                             ? first_block->weights_whole
                             : weight_arena_.tensor(options_.weights, whole);
    const bool is_master = options_.weights == master_dtype_ && options_.zero < 3;
    if (options_.zero < 3) unit.weights_share = share_of(unit.weights_whole, unit);
    unit.master = is_master ? unit.weights_share : master_arena_.tensor(master_dtype_, owned);
    unit.gradients_whole = options_.zero >= 2 && first_block != nullptr
                               ? first_block->gradients_whole
                               : gradient_arena_.tensor(master_dtype_, whole);
    unit.gradients_share = options_.zero >= 2 ? gradient_arena_.tensor(master_dtype_, owned)
                                              : share_of(unit.gradients_whole, unit);
    unit.first = moment_arena_.tensor(options_.moments, owned);
    unit.second = moment_arena_.tensor(options_.moments, owned);
    for (const int64_t weight : unit.weights) {
      const WeightSpec& spec = table_[static_cast<size_t>(weight)];
      const int64_t offset = offset_in_unit_[static_cast<size_t>(weight)], count = spec.shape.elements();
      weight_views_.push_back(unit.weights_whole.rows(offset, count).reshaped(spec.shape));
      gradient_views_.push_back(unit.gradients_whole.rows(offset, count).reshaped(spec.shape));
    }
  }
}

void Shards::name_owned() {
  for (Unit& unit : units_) {
    const int64_t begin = options_.zero == 0 ? 0 : comm_->rank() * unit.share,
                  end = begin + owned_elements(unit);
    for (const int64_t weight : unit.weights) {
      const int64_t offset = offset_in_unit_[static_cast<size_t>(weight)];
      const int64_t count = table_[static_cast<size_t>(weight)].shape.elements();
      const int64_t first = std::max(begin, offset), last = std::min(end, offset + count);
      if (first >= last) continue;
      const auto piece = [&](const Tensor& tensor) { return tensor.rows(first - begin, last - first); };
      const bool has_rounded = unit.weights_share && unit.weights_share.dtype != master_dtype_;
      owned_.push_back({.weight = weight,
                        .first = first - offset,
                        .master = piece(unit.master),
                        .gradient = piece(unit.gradients_share),
                        .moment1 = piece(unit.first),
                        .moment2 = piece(unit.second),
                        .rounded = has_rounded ? piece(unit.weights_share) : Tensor{}});
    }
  }
}

void Shards::fill(const Source& source) {
  int64_t at = -1;
  std::unique_ptr<Arena> memory;
  Tensor values;
  for (const Owned& piece : owned_) {
    if (piece.weight != at) {
      const WeightSpec& spec = table_[static_cast<size_t>(at = piece.weight)];
      values = source(spec);
      if (values.shape != spec.shape) {
        memory = std::make_unique<Arena>("a part of a weight");
        if (values.place == Place::kGpu) {
          const Tensor on_host = memory->tensor(values.dtype, values.shape);
          device_->copy(values, on_host);
          values = on_host;
        }
        const Tensor part = memory->tensor(values.dtype, spec.shape);
        copy_part(values, spec.split_dim, tensor_ranks_.rank(), part);
        values = part;
      }
    }
    bring(*device_, values.reshaped({values.elements()}).rows(piece.first, piece.master.elements()),
          piece.master);
    if (piece.rounded) bring(*device_, piece.master, piece.rounded);
  }
  gather();
}

void Shards::zero_gradients() {
  for (Unit& unit : units_) {
    const Tensor& tensor = options_.zero >= 2 ? unit.gradients_share : unit.gradients_whole;
    device_->zero(tensor);
  }
}

void Shards::reduce() {
  if (options_.zero >= 2 || comm_->size() == 1)
    return;  // Summed unit by unit as the backward pass went, or alone.
  for (Unit& unit : units_) {
    const Tensor share = unit.gradients_whole.rows(comm_->rank() * unit.share, unit.share);
    comm_->reduce_scatter(unit.gradients_whole, share);
    if (options_.zero == 0) comm_->gather(share, unit.gradients_whole);
  }
}

void Shards::gather() {
  if (options_.zero == 0 || options_.zero == 3)
    return;  // Every rank has updated all, or fetches when it needs to.
  for (Unit& unit : units_) gather_unit(unit);
}

void Shards::gather_unit(Unit& unit) {
  const Tensor mine = unit.weights_whole.rows(comm_->rank() * unit.share, unit.share);
  if (!unit.weights_share) bring(*device_, unit.master, mine);
  comm_->gather(mine, unit.weights_whole);
}

void Shards::fetch(int64_t unit) {
  if (options_.zero == 3) gather_unit(units_[static_cast<size_t>(unit)]);
}

void Shards::begin_gradients(int64_t unit) {
  if (options_.zero < 2) return;
  const Tensor& whole = units_[static_cast<size_t>(unit)].gradients_whole;
  device_->zero(whole);
}

void Shards::end_gradients(int64_t index) {
  if (options_.zero < 2) return;
  Unit& unit = units_[static_cast<size_t>(index)];
  const Tensor sum = unit.gradients_whole.rows(comm_->rank() * unit.share, unit.share);
  comm_->reduce_scatter(unit.gradients_whole, sum);
  run(*device_, Add{.a = sum, .b = unit.gradients_share, .to = unit.gradients_share});
}

Tensor Shards::whole_weight(int64_t weight) {
  const Unit& unit = units_[static_cast<size_t>(unit_of_[static_cast<size_t>(weight)])];
  whole_arena_ = std::make_unique<Arena>("a whole unit of weights");
  const Tensor all = whole_arena_->tensor(master_dtype_, {unit.elements});
  if (options_.zero == 0) {
    device_->copy(unit.master, all);
  } else {
    Arena arena("a whole unit of weights", *device_);
    const Tensor there = device_->is_cuda() ? arena.tensor(master_dtype_, {unit.elements}) : all;
    comm_->gather(unit.master, there);
    device_->copy(there, all);
  }
  const WeightSpec& spec = table_[static_cast<size_t>(weight)];
  const Tensor part =
      all.rows(offset_in_unit_[static_cast<size_t>(weight)], spec.shape.elements()).reshaped(spec.shape);
  if (tensor_ranks_.is_alone() || !spec.split_dim) return part;
  const Tensor parts = whole_arena_->tensor(master_dtype_, {part.elements() * tensor_ranks_.size()});
  tensor_ranks_.comm().gather(part, parts);
  const Tensor whole = whole_arena_->tensor(master_dtype_, whole_shape(spec, tensor_ranks_.size()));
  for (int rank = 0; rank < tensor_ranks_.size(); ++rank)
    copy_into_whole(parts.rows(rank * part.elements(), part.elements()).reshaped(spec.shape), spec.split_dim,
                    rank, whole);
  return whole;
}

std::vector<Shards::Memory> Shards::memory() const {
  return {{"weights", weight_arena_.bytes()},
          {"master weights", master_arena_.bytes()},
          {"gradients", gradient_arena_.bytes()},
          {"moments", moment_arena_.bytes()}};
}

}  // namespace poro
