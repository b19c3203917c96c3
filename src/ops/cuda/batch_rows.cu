#include <algorithm>

#include "ops/cuda/attention_hopper.cuh"
#include "ops/cuda/batch_ring.cuh"
#include "ops/cuda/batch_rows.h"
#include "ops/cuda/vector.cuh"
#include "ops/norm.h"

namespace poro {
namespace batch_rows {
namespace {

// y = x W^T (+ residual). In f32 it is logits.
template <class Y>
struct LinearWork {
  static constexpr int kRoom = sizeof(Y) == 4 ? kWholeRoom : kHalfRoom, kTableRow = 0;
  Shared shared;
  Y* y;               // (T, O)
  const Y* residual;  // (T, O) or none; may be y
  int outputs;

  __device__ HalfTile low(int tile) const { return {0, tile * kTileRows}; }
  __device__ HalfTile high(int tile) const { return {0, tile * kTileRows + kHalfRows}; }
  __device__ void prepare(std::byte*) const {}

  // Calls body(element of y, half, row of x) for the elements of a place.
  template <class Body>
  __device__ void for_elements(const Place& place, const Body& body) const {
#pragma unroll
    for (int half = 0; half < 2; ++half)
#pragma unroll
      for (int t = 0; t < 2; ++t) {
        const int output = place.tile * kTileRows + half * kHalfRows + place.row;
        if (output < outputs && place.token + t < shared.rows)
          body(static_cast<int64_t>(place.token + t) * outputs + output, half, t);
      }
  }
  using Loaded = Sums;  // The residual
  __device__ Sums load(const Place& place) const {
    Sums before = {};
    if (residual == nullptr) return before;
    for_elements(place, [&](int64_t at, int half, int t) {
      (half == 0 ? before.low : before.high)[t] = to_float(__ldcg(residual + at));
    });
    return before;
  }
  __device__ void store(const Place& place, const Sums& sums, const Sums& before, const std::byte*) const {
    for_elements(place, [&](int64_t at, int half, int t) {
      y[at] = from_float<Y>(half == 0 ? sums.low[t] + before.low[t] : sums.high[t] + before.high[t]);
    });
  }
};

// Queries, keys and values for heads of 128: a tile is a head, and its halves are the two of each rotated
// pair.
template <class Cached>
struct QkvWork {
  static constexpr int kDim = kTileRows, kPitch = kHalfRows + 4;  // Rotations of a row of x in the table
  static constexpr int kRoom = kHalfRoom, kTableRow = kPitch * static_cast<int>(sizeof(float2));
  Shared shared;
  const int32_t *positions, *slots;
  const double* frequencies;
  __nv_bfloat16* queries;
  Cached *keys, *values;
  int heads, kv_heads, page_size;

  __device__ HalfTile low(int tile) const {
    const int matrix = tile < heads ? 0 : tile < heads + kv_heads ? 1 : 2;
    return {matrix, (tile - (matrix == 0 ? 0 : heads) - (matrix == 2 ? kv_heads : 0)) * kDim};
  }
  __device__ HalfTile high(int tile) const {
    const HalfTile half = low(tile);
    return {half.matrix, half.row + kHalfRows};
  }

  // Cosine and sine for each row and pair; the angle in turns is reduced in f64, so that far positions keep
  // their precision.
  __device__ void prepare(std::byte* table) const {
    float2* turns_of = reinterpret_cast<float2*>(table);
    for (int i = static_cast<int>(threadIdx.x); i < shared.rows * kHalfRows; i += kConsumers) {
      double turns = positions[i / kHalfRows] * frequencies[i % kHalfRows] * 0.15915494309189533577;
      turns -= rint(turns);
      float sine, cosine;
      sincospif(2.0f * static_cast<float>(turns), &sine, &cosine);
      turns_of[i / kHalfRows * kPitch + i % kHalfRows] = {cosine, sine};
    }
  }

  struct Loaded {
    int slots[2];
  };
  __device__ Loaded load(const Place& place) const {
    Loaded loaded = {};
#pragma unroll
    for (int t = 0; t < 2; ++t)
      if (place.token + t < shared.rows) loaded.slots[t] = slots[place.token + t];
    return loaded;
  }
  __device__ void store(const Place& place, const Sums& sums, const Loaded& loaded,
                        const std::byte* table) const {
    const int head = low(place.tile).row / kDim;
    const bool is_query = place.tile < heads, is_value = place.tile >= heads + kv_heads;
#pragma unroll
    for (int t = 0; t < 2; ++t) {
      const int token = place.token + t, slot = loaded.slots[t];
      if (token >= shared.rows) continue;
      const float2 turn =
          is_value ? float2{1, 0} : reinterpret_cast<const float2*>(table)[token * kPitch + place.row];
      const float a = sums.low[t], b = sums.high[t], first = a * turn.x - b * turn.y,
                  second = b * turn.x + a * turn.y;
      if (is_query) {
        __nv_bfloat16* to = queries + (static_cast<int64_t>(token) * heads + head) * kDim + place.row;
        to[0] = from_float<__nv_bfloat16>(first), to[kHalfRows] = from_float<__nv_bfloat16>(second);
      } else {
        const int64_t page_row =
            (static_cast<int64_t>(slot / page_size) * kv_heads + head) * page_size + slot % page_size;
        Cached* to = (is_value ? values : keys) + page_row * kDim + place.row;
        to[0] = from_float<Cached>(first), to[kHalfRows] = from_float<Cached>(second);
      }
    }
  }
};

// silu(gate) * up: the halves of a tile are the same rows of the two.
struct GateUpWork {
  static constexpr int kRoom = kWholeRoom, kTableRow = 0;
  Shared shared;
  __nv_bfloat16* y;  // (T, F)
  int outputs;

  __device__ HalfTile low(int tile) const { return {0, tile * kHalfRows}; }
  __device__ HalfTile high(int tile) const { return {1, tile * kHalfRows}; }
  __device__ void prepare(std::byte*) const {}
  struct Loaded {};
  __device__ Loaded load(const Place&) const { return {}; }
  __device__ void store(const Place& place, const Sums& sums, const Loaded&, const std::byte*) const {
    const int output = place.tile * kHalfRows + place.row;
#pragma unroll
    for (int t = 0; t < 2; ++t)
      if (output < outputs && place.token + t < shared.rows)
        y[static_cast<int64_t>(place.token + t) * outputs + output] =
            from_float<__nv_bfloat16>(__fdividef(sums.low[t], 1.0f + __expf(-sums.low[t])) * sums.high[t]);
  }
};

bool is_aligned(const void* data) {
  return reinterpret_cast<uintptr_t>(data) % 16 == 0;
}

// Whether rows x meet weights w here: there must be a step for each block of a cluster.
bool fits(Cuda& cuda, const Tensor& x, const Matrix& w) {
  return is_hopper(cuda) && x.dim(0) <= kBatchRows && x.dtype == DType::kBF16 && w.dtype() == DType::kBF16 &&
         !w.is_quantised() && x.dim(1) % kColumns == 0 && x.dim(1) >= 8 * kColumns && is_aligned(x.data) &&
         is_aligned(w.values.data);
}

CUtensorMap map_of(const Tensor& tensor, uint32_t rows) {
  const uint64_t dims[] = {static_cast<uint64_t>(tensor.dim(1)), static_cast<uint64_t>(tensor.dim(0))},
                 strides[] = {2 * dims[0]};
  const uint32_t box[] = {kColumns, rows};
  return cuda::tensor_map(tensor.data, {.dims = dims, .strides = strides, .box = box});
}

// How many clusters there are: a block for each multiprocessor, if so many run at once. Some share one where
// clusters do not fill a part of the GPU, which costs nothing: they ask for twice as much of the memory as
// others do.
template <int N, int kCluster, class Work>
int most_clusters(Cuda& cuda) {
  static const int most = [&] {  // Asked once for each kernel.
    const size_t bytes = sizeof(Memory<N, kCluster, Work>);
    CUDA_CHECK(cudaFuncSetAttribute(kernel<N, kCluster, Work>, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                    static_cast<int>(bytes)));
    cudaLaunchAttribute cluster = {};
    cluster.id = cudaLaunchAttributeClusterDimension;
    cluster.val.clusterDim = {kCluster, 1, 1};
    cudaLaunchConfig_t config = {};
    config.gridDim = kCluster, config.blockDim = kThreads, config.dynamicSmemBytes = bytes;
    config.attrs = &cluster, config.numAttrs = 1;
    int found = 0;
    CUDA_CHECK(cudaOccupancyMaxActiveClusters(&found, kernel<N, kCluster, Work>, &config));
    return std::clamp(found, 1, cuda.state().num_multiprocessors() / kCluster);
  }();
  return most;
}

int rounds_of(int tiles, int clusters) {
  return (tiles + clusters - 1) / clusters;
}

template <int N, int kCluster, class Work>
void launch_clusters(Cuda& cuda, const Work& work) {
  const int tiles = work.shared.tiles, rounds = rounds_of(tiles, most_clusters<N, kCluster, Work>(cuda));
  poro::launch(cuda, kernel<N, kCluster, Work>, Overlap::kPrevious,
               {.blocks = static_cast<unsigned>(rounds_of(tiles, rounds) * kCluster),
                .threads = kThreads,
                .shared_bytes = sizeof(Memory<N, kCluster, Work>),
                .cluster = kCluster},
               work);
}

// With the clusters that keep more of the GPU at work. The order of a sum depends on that choice, and the
// choice on the matrix alone.
template <int N, class Work>
void launch_rows(Cuda& cuda, const Work& work) {
  const int tiles = work.shared.tiles, blocks = cuda.state().num_multiprocessors();
  if (2 * rounds_of(tiles, blocks / 4) <= rounds_of(tiles, blocks / 8))
    launch_clusters<N, 4>(cuda, work);
  else
    launch_clusters<N, 8>(cuda, work);
}

// Fills what all products share, but for the weights, and launches.
template <class Work>
bool launch(Cuda& cuda, const Tensor& x, int64_t tiles, Work work) {
  const int64_t rows = x.dim(0);
  const uint32_t N = rows <= 16 ? 16 : rows <= 32 ? 32 : 64;
  work.shared.x = map_of(x, N);
  work.shared.tiles = static_cast<int>(tiles), work.shared.steps = static_cast<int>(x.dim(1) / kColumns);
  work.shared.rows = static_cast<int>(rows);
  if (N == 16)
    launch_rows<16>(cuda, work);
  else if (N == 32)
    launch_rows<32>(cuda, work);
  else
    launch_rows<64>(cuda, work);
  return true;
}

// x after the norm, in memory of the device.
template <class Op>
Tensor normed(Cuda& cuda, const Op& op) {
  const Tensor y = {
      .data = cuda.operands(op.x.bytes()), .dtype = op.x.dtype, .shape = op.x.shape, .place = op.x.place};
  poro::run(cuda, RmsNorm{.x = op.x, .w = op.norm, .y = y, .rstd = {}, .eps = op.eps});
  return y;
}

template <class Y>
bool launch_linear(Cuda& cuda, const Linear& op) {
  LinearWork<Y> work = {};
  work.shared.weights[0] = map_of(op.w.values, kHalfRows);
  work.y = gpu_data<Y>(op.y), work.residual = gpu_data<Y>(op.residual),
  work.outputs = static_cast<int>(op.w.outputs());
  return launch(cuda, op.x, (op.w.outputs() + kTileRows - 1) / kTileRows, work);
}

template <class Cached>
bool launch_qkv(Cuda& cuda, const NormQkv& op) {
  QkvWork<Cached> work = {};
  work.shared.weights[0] = map_of(op.q.values, kHalfRows),
  work.shared.weights[1] = map_of(op.k.values, kHalfRows),
  work.shared.weights[2] = map_of(op.v.values, kHalfRows);
  work.positions = gpu_data<int32_t>(op.positions), work.slots = gpu_data<int32_t>(op.slots),
  work.frequencies = gpu_data<double>(op.frequencies), work.queries = gpu_data<__nv_bfloat16>(op.queries),
  work.keys = gpu_data<Cached>(op.keys), work.values = gpu_data<Cached>(op.values);
  work.heads = static_cast<int>(op.queries.dim(1)), work.kv_heads = static_cast<int>(op.keys.dim(1)),
  work.page_size = static_cast<int>(op.keys.dim(2));
  return launch(cuda, normed(cuda, op), work.heads + 2 * work.kv_heads, work);
}

}  // namespace
}  // namespace batch_rows

bool run_batch_rows(Cuda& cuda, const Linear& op) {
  using namespace batch_rows;
  if (!fits(cuda, op.x, op.w) || (op.residual && op.residual.dtype != op.y.dtype)) return false;
  if (op.y.dtype == DType::kBF16) return launch_linear<__nv_bfloat16>(cuda, op);
  return op.y.dtype == DType::kF32 && launch_linear<float>(cuda, op);
}

bool run_batch_rows(Cuda& cuda, const NormQkv& op) {
  using namespace batch_rows;
  if (!fits(cuda, op.x, op.q) || !fits(cuda, op.x, op.k) || !fits(cuda, op.x, op.v)) return false;
  if (op.queries.dim(2) != kTileRows || op.queries.dtype != DType::kBF16) return false;
  if (op.keys.dtype == DType::kBF16) return launch_qkv<__nv_bfloat16>(cuda, op);
  return op.keys.dtype == DType::kF8 && launch_qkv<__nv_fp8_e4m3>(cuda, op);
}

bool run_batch_rows(Cuda& cuda, const NormGateUp& op) {
  using namespace batch_rows;
  if (!fits(cuda, op.x, op.gate) || !fits(cuda, op.x, op.up) || op.y.dtype != DType::kBF16) return false;
  GateUpWork work = {};
  work.shared.weights[0] = map_of(op.gate.values, kHalfRows),
  work.shared.weights[1] = map_of(op.up.values, kHalfRows);
  work.y = gpu_data<__nv_bfloat16>(op.y), work.outputs = static_cast<int>(op.gate.outputs());
  return launch(cuda, normed(cuda, op), (op.gate.outputs() + kHalfRows - 1) / kHalfRows, work);
}

}  // namespace poro
