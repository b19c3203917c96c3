#include "ops/attention.h"

namespace poro {
namespace {

void check_heads(int64_t num_heads, int64_t num_kv_heads) {
  CHECK(num_kv_heads > 0 && num_heads % num_kv_heads == 0, "{} heads over {} key/value heads", num_heads,
        num_kv_heads);
}

}  // namespace

void check(const PackedAttention& op) {
  CHECK(op.q.shape.rank() == 3 && op.k.shape.rank() == 3, "q {}, k {}", op.q.str(), op.k.str());
  check_heads(op.q.dim(1), op.k.dim(1));
  CHECK_SHAPE(op.k, {op.q.dim(0), op.k.dim(1), op.q.dim(2)});
  CHECK_SHAPE(op.v, {op.q.dim(0), op.k.dim(1), op.q.dim(2)});
  CHECK_SHAPE(op.y, {op.q.dim(0), op.q.dim(1), op.q.dim(2)});
  CHECK_SHAPE(op.starts, {op.q.dim(0)});
  CHECK(op.starts.dtype == DType::kI32, "starts {}", op.starts.str());
  if (op.lse) CHECK_SHAPE(op.lse, {op.q.dim(0), op.q.dim(1)});
}

Cost cost(const PackedAttention& op) {
  double pairs = op.starts.place == Place::kHost ? 0 : op.pairs;
  for (int64_t t = 0; op.starts.place == Place::kHost && t < op.q.dim(0); ++t)
    pairs += static_cast<double>(t + 1 - op.starts.as<int32_t>()[t]);
  return {.flops = 4.0 * pairs * static_cast<double>(op.q.dim(1) * op.q.dim(2)),
          .bytes = static_cast<double>(op.q.bytes() + op.k.bytes() + op.v.bytes() + op.y.bytes())};
}

void check(const CachedAttention& op) {
  CHECK(op.q.shape.rank() == 3 && op.keys.shape.rank() == 4, "q {}, keys {}", op.q.str(), op.keys.str());
  check_heads(op.q.dim(1), op.keys.dim(1));
  CHECK_SHAPE(op.keys, {op.keys.dim(0), op.keys.dim(1), op.keys.dim(2), op.q.dim(2)});
  CHECK(op.values.shape == op.keys.shape && op.values.dtype == op.keys.dtype, "keys {}, values {}",
        op.keys.str(), op.values.str());
  CHECK_SHAPE(op.y, {op.q.dim(0), op.q.dim(1), op.q.dim(2)});
  const int64_t num_sequences = op.lengths.dim(0);
  CHECK_SHAPE(op.row_starts, {num_sequences + 1});
  CHECK_SHAPE(op.page_table, {num_sequences, op.page_table.dim(1)});
  if (op.lengths.place != Place::kHost) {
    CHECK(op.max_length > 0 && op.max_new_tokens > 0, "tables on a GPU need max_length and max_new_tokens");
    return;
  }
  const int32_t* starts = op.row_starts.as<int32_t>();
  CHECK(starts[0] == 0 && starts[num_sequences] == op.q.dim(0), "row_starts cover [{}, {}) of {} rows",
        starts[0], starts[num_sequences], op.q.dim(0));
  for (int64_t b = 0; b < num_sequences; ++b) {
    const int32_t length = op.lengths.as<int32_t>()[b];
    CHECK(starts[b + 1] - starts[b] <= length && length <= op.page_table.dim(1) * op.keys.dim(2),
          "sequence {}: {} new rows, length {}, {} pages of {}", b, starts[b + 1] - starts[b], length,
          op.page_table.dim(1), op.keys.dim(2));
  }
}

Cost cost(const CachedAttention& op) {
  double pairs = 0, positions = 0;
  if (op.lengths.place != Place::kHost) {  // As if all sequences were as long as the longest.
    pairs = static_cast<double>(op.q.dim(0)) *
            (static_cast<double>(op.max_length) - static_cast<double>(op.max_new_tokens - 1) / 2);
    positions = static_cast<double>(op.lengths.dim(0) * op.max_length);
  }
  for (int64_t b = 0; op.lengths.place == Place::kHost && b < op.lengths.dim(0); ++b) {
    const double rows = op.row_starts.as<int32_t>()[b + 1] - op.row_starts.as<int32_t>()[b];
    const double length = op.lengths.as<int32_t>()[b];
    pairs += rows * (length - (rows - 1) / 2);
    positions += length;
  }
  const double position_bytes =
      static_cast<double>(op.keys.dim(1) * op.keys.dim(3) * dtype_bits(op.keys.dtype)) / 8;
  return {.flops = 4.0 * pairs * static_cast<double>(op.q.dim(1) * op.q.dim(2)),
          .bytes = 2.0 * positions * position_bytes + static_cast<double>(op.q.bytes() + op.y.bytes())};
}

void check(const CacheWrite& op) {
  CHECK(op.k.shape.rank() == 3 && op.keys.shape.rank() == 4, "k {}, keys {}", op.k.str(), op.keys.str());
  CHECK_SHAPE(op.v, {op.k.dim(0), op.k.dim(1), op.k.dim(2)});
  CHECK_SHAPE(op.keys, {op.keys.dim(0), op.k.dim(1), op.keys.dim(2), op.k.dim(2)});
  CHECK(op.values.shape == op.keys.shape && op.values.dtype == op.keys.dtype, "keys {}, values {}",
        op.keys.str(), op.values.str());
  CHECK_SHAPE(op.slots, {op.k.dim(0)});
}

Cost cost(const CacheWrite& op) {
  const double written = 2.0 * static_cast<double>(op.k.elements() * dtype_bits(op.keys.dtype)) / 8;
  return {.flops = 0, .bytes = written + static_cast<double>(op.k.bytes() + op.v.bytes())};
}

void check(const PackedAttentionBackward& op) {
  check(PackedAttention{.q = op.q, .k = op.k, .v = op.v, .starts = op.starts, .y = op.y, .lse = op.lse});
  CHECK(op.lse, "the forward pass must keep lse");
  CHECK(op.dy.shape == op.q.shape && op.dq.shape == op.q.shape, "dy {}, dq {}", op.dy.str(), op.dq.str());
  CHECK(op.dk.shape == op.k.shape && op.dv.shape == op.k.shape, "dk {}, dv {}", op.dk.str(), op.dv.str());
}

Cost cost(const PackedAttentionBackward& op) {
  // Five products of the forward pass's two: scores again, dp, dq, dk, dv.
  const Cost forward = cost(PackedAttention{
      .q = op.q, .k = op.k, .v = op.v, .starts = op.starts, .y = op.y, .lse = op.lse, .pairs = op.pairs});
  return {.flops = 2.5 * forward.flops, .bytes = 2 * forward.bytes + static_cast<double>(op.dq.bytes())};
}

}  // namespace poro
