// The fused steps of decoding as work of the ring (ops/cuda/weight_ring.h). The two halves of a tile are rows
// that belong together: the two of a rotated pair, or gate and up.
#include "ops/cuda/batch_rows.h"
#include "ops/cuda/ring_matrix.h"
#include "ops/decode_steps.h"

namespace poro {
namespace few_rows {
namespace {

constexpr int kMaxHalf = 64;  // Pairs of a head.

__device__ void store_cached(void* data, DType dtype, int64_t index, float value) {
  if (dtype == DType::kF8)
    static_cast<uint8_t*>(data)[index] = __nv_cvt_float_to_fp8(value, __NV_SATFINITE, __NV_E4M3);
  else
    store_value(data, dtype == DType::kF32, index, value);
}

struct QkvWork {
  Shared shared;
  Weights q, k, v;
  const int32_t *positions, *slots;
  const double* frequencies;
  void *queries, *keys, *values;
  bool is_query_f32;
  DType cache_dtype;
  int heads, kv_heads, half, page_size;

  struct Place {
    int head, pair;  // Heads of q, then k, then v; the tile's first pair.
  };
  __device__ Place place(int tile) const {
    const int per_head = half / 8;
    return {tile / per_head, tile % per_head * 8};
  }
  __device__ HalfTile rows(int tile, int offset) const {
    const Place at = place(tile);
    const bool is_q = at.head < heads, is_k = at.head < heads + kv_heads;
    const int head = is_q ? at.head : is_k ? at.head - heads : at.head - heads - kv_heads;
    return (is_q ? q : is_k ? k : v).rows(head * 2 * half + at.pair + offset);
  }
  __device__ HalfTile low(int tile) const { return rows(tile, 0); }
  __device__ HalfTile high(int tile) const { return rows(tile, half); }

  struct Ahead {
    int slot = 0, position = 0;
    double frequency = 0;
  };
  __device__ Ahead load(int tile, int row, int token, bool, bool) const {
    return {__ldcg(slots + token), __ldcg(positions + token), frequencies[place(tile).pair + row]};
  }
  // Cosine and sine. The angle in turns is reduced in f64, so that far positions keep their precision.
  static __device__ float2 turn_of(const Ahead& ahead) {
    double turns = ahead.position * ahead.frequency * 0.15915494309189533577;
    turns -= rint(turns);
    float2 turn;
    sincospif(2.0f * static_cast<float>(turns), &turn.y, &turn.x);
    return turn;
  }
  __device__ void store(int tile, int row, int token, float low, float high, bool, bool,
                        const Ahead& ahead) const {
    const Place at = place(tile);
    const int pair = at.pair + row;
    if (at.head < heads + kv_heads) {
      const float2 turn = turn_of(ahead);
      const float a = low, b = high;
      low = a * turn.x - b * turn.y;
      high = b * turn.x + a * turn.y;
    }
    if (at.head < heads) {
      const int64_t index = (int64_t{token} * heads + at.head) * 2 * half + pair;
      store_value(queries, is_query_f32, index, low);
      store_value(queries, is_query_f32, index + half, high);
      return;
    }
    const bool is_k = at.head < heads + kv_heads;
    const int kv = at.head - heads - (is_k ? 0 : kv_heads), slot = ahead.slot;
    const int64_t index =
        ((int64_t{slot / page_size} * kv_heads + kv) * page_size + slot % page_size) * 2 * half + pair;
    store_cached(is_k ? keys : values, cache_dtype, index, low);
    store_cached(is_k ? keys : values, cache_dtype, index + half, high);
  }
};

struct GateUpWork {
  Shared shared;
  Weights gate, up;
  void* y;
  bool is_y_f32;

  __device__ HalfTile low(int tile) const { return gate.rows(tile * 8); }
  __device__ HalfTile high(int tile) const { return up.rows(tile * 8); }
  struct Ahead {};
  __device__ Ahead load(int, int, int, bool, bool) const { return {}; }
  __device__ void store(int tile, int row, int token, float low, float high, bool has_low, bool,
                        const Ahead&) const {
    if (has_low)
      store_value(y, is_y_f32, token * gate.outputs + int64_t{tile} * 8 + row,
                  low / (1.0f + __expf(-low)) * high);
  }
};

// The norm is part of a product of a few tokens. More tokens are cut into slices, which do not know their
// tokens' norms, so those are normed before.
template <class Op>
Shared normed(Cuda& cuda, const Op& op, const Matrix& w, int64_t num_tiles) {
  if (op.x.dim(0) > kMaxTokens) {
    const Tensor y = {
        .data = cuda.operands(op.x.bytes()), .dtype = op.x.dtype, .shape = op.x.shape, .place = op.x.place};
    poro::run(cuda, RmsNorm{.x = op.x, .w = op.norm, .y = y, .rstd = {}, .eps = op.eps});
    return ring_shared(y, w, num_tiles);
  }
  Shared shared = ring_shared(op.x, w, num_tiles);
  shared.norm = op.norm.data;
  shared.is_norm_f32 = op.norm.dtype == DType::kF32;
  shared.eps = static_cast<float>(op.eps);
  return shared;
}

bool is_bf16_or_f32(const Tensor& tensor) {
  return tensor.dtype == DType::kBF16 || tensor.dtype == DType::kF32;
}

bool launch_fused(Cuda& cuda, const NormQkv& op) {
  const int64_t heads = op.queries.dim(1), kv_heads = op.keys.dim(1), half = op.queries.dim(2) / 2;
  if (!fits_ring(cuda, op.x, op.q) || !fits_ring(cuda, op.x, op.k) || !fits_ring(cuda, op.x, op.v))
    return false;
  if (op.q.dtype() != op.k.dtype() || op.q.dtype() != op.v.dtype() || half % 8 != 0 || half > kMaxHalf)
    return false;
  const bool is_cache_known = is_bf16_or_f32(op.keys) || op.keys.dtype == DType::kF8;
  if (!is_bf16_or_f32(op.queries) || !is_bf16_or_f32(op.norm) || !is_cache_known) return false;
  return launch_for(op.q.dtype(), cuda,
                    QkvWork{.shared = normed(cuda, op, op.q, (heads + 2 * kv_heads) * half / 8),
                            .q = ring_weights(op.q),
                            .k = ring_weights(op.k),
                            .v = ring_weights(op.v),
                            .positions = op.positions.as<int32_t>(),
                            .slots = op.slots.as<int32_t>(),
                            .frequencies = op.frequencies.as<double>(),
                            .queries = op.queries.data,
                            .keys = op.keys.data,
                            .values = op.values.data,
                            .is_query_f32 = op.queries.dtype == DType::kF32,
                            .cache_dtype = op.keys.dtype,
                            .heads = static_cast<int>(heads),
                            .kv_heads = static_cast<int>(kv_heads),
                            .half = static_cast<int>(half),
                            .page_size = static_cast<int>(op.keys.dim(2))});
}

bool launch_fused(Cuda& cuda, const NormGateUp& op) {
  if (!fits_ring(cuda, op.x, op.gate) || !fits_ring(cuda, op.x, op.up) || op.gate.dtype() != op.up.dtype())
    return false;
  if (!is_bf16_or_f32(op.y) || !is_bf16_or_f32(op.norm)) return false;
  return launch_for(op.gate.dtype(), cuda,
                    GateUpWork{.shared = normed(cuda, op, op.gate, (op.gate.outputs() + 7) / 8),
                               .gate = ring_weights(op.gate),
                               .up = ring_weights(op.up),
                               .y = op.y.data,
                               .is_y_f32 = op.y.dtype == DType::kF32});
}

}  // namespace
}  // namespace few_rows

void run(Cuda& cuda, const NormQkv& op) {
  if (!few_rows::launch_fused(cuda, op) && !run_batch_rows(cuda, op))
    run_in_steps(cuda, op, cuda.operands(step_bytes(op, op.x.dtype)));
}

void run(Cuda& cuda, const NormGateUp& op) {
  if (!few_rows::launch_fused(cuda, op) && !run_batch_rows(cuda, op))
    run_in_steps(cuda, op, cuda.operands(step_bytes(op, op.x.dtype)));
}

}  // namespace poro
