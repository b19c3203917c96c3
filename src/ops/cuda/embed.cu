// A copy of one row per id; and its gradient, where the first token of an id adds the rows of all of them, in
// the order of tokens.
#include "ops/cuda/vector.cuh"
#include "ops/embed.h"

namespace poro {
namespace {

constexpr int kThreads = 128;
constexpr int kNever = 0x7f7f7f7f;  // What memset can write: after every token.

template <class W, class Y, int N>
__global__ void embed_kernel(const int32_t* ids, const W* table, Y* y, int64_t vocab, int width,
                             int64_t first_id) {
  const int64_t row = ids[blockIdx.x] - first_id, to = static_cast<int64_t>(blockIdx.x) * width;
  const bool is_here = row >= 0 && row < vocab;
  for (int at = (static_cast<int>(blockIdx.y) * kThreads + static_cast<int>(threadIdx.x)) * N; at < width;
       at += static_cast<int>(gridDim.y) * kThreads * N)
    store<N>(y + to + at, is_here ? load<N>(table + row * width + at) : Floats<N>{});
}

// What is known of the ids of a batch, in scratch memory.
struct IdTable {
  int *counts, *firsts;  // (vocab): how many tokens have the id, and the first of them
  int* distinct;         // Those first tokens, in any order
  int* num_distinct;
};

__global__ void count_ids(const int32_t* ids, int tokens, int64_t vocab, int64_t first_id, IdTable table) {
  const int t = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (t >= tokens) return;
  const int64_t row = ids[t] - first_id;
  if (row < 0 || row >= vocab) return;
  atomicAdd(table.counts + row, 1);
  atomicMin(table.firsts + row, t);
}

__global__ void list_ids(const int32_t* ids, int tokens, int64_t vocab, int64_t first_id, IdTable table) {
  const int t = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (t >= tokens) return;
  const int64_t row = ids[t] - first_id;
  if (row >= 0 && row < vocab && table.firsts[row] == t) table.distinct[atomicAdd(table.num_distinct, 1)] = t;
}

constexpr int kIdsEach = 8;                   // Ids a thread looks at in one go.
constexpr int kWindow = kThreads * kIdsEach;  // Ids a block looks at.
constexpr int kRowsAhead = 8;                 // Rows on their way from memory.

// Fills `list` with the tokens of [begin, begin + kWindow) that have `id`, in order; returns how many.
__device__ int find_tokens(const int32_t* ids, int begin, int tokens, int id, int* list, int* warp_counts) {
  const int mine = begin + static_cast<int>(threadIdx.x) * kIdsEach;
  unsigned found = 0;
#pragma unroll
  for (int i = 0; i < kIdsEach; ++i)
    if (mine + i < tokens && ids[mine + i] == id) found |= 1u << i;
  // Where this thread's begin: after those of the lanes and warps before.
  const int lane = static_cast<int>(threadIdx.x) % kWarp, warp = static_cast<int>(threadIdx.x) / kWarp,
            count = __popc(found);
  int place = count;
#pragma unroll
  for (int distance = 1; distance < kWarp; distance *= 2) {
    const int before = __shfl_up_sync(~0u, place, distance);
    if (lane >= distance) place += before;
  }
  if (lane == kWarp - 1) warp_counts[warp] = place;
  place -= count;
  __syncthreads();
  int total = 0;
  for (int w = 0; w < kThreads / kWarp; ++w) {
    if (w < warp) place += warp_counts[w];
    total += warp_counts[w];
  }
  for (; found != 0; found &= found - 1) list[place++] = mine + __ffs(static_cast<int>(found)) - 1;
  __syncthreads();
  return total;
}

// A block takes ids blockIdx.x, blockIdx.x + gridDim.x, ... of the distinct ones, and kThreads * N columns.
template <class Y, class W, int N>
__global__ void __launch_bounds__(kThreads)
    embed_backward_kernel(const int32_t* ids, const Y* dy, W* dtable, int tokens, int width, int64_t first_id,
                          IdTable table) {
  __shared__ int list[kWindow], warp_counts[kThreads / kWarp];
  const int at = (static_cast<int>(blockIdx.y) * kThreads + static_cast<int>(threadIdx.x)) * N,
            num_distinct = *table.num_distinct;
  const bool is_mine = at < width;
  for (int which = static_cast<int>(blockIdx.x); which < num_distinct; which += static_cast<int>(gridDim.x)) {
    const int first = table.distinct[which], id = ids[first];
    const int64_t row = id - first_id;
    Floats<N> sum{};
    const auto add = [&](const Pack<Y, N>& pack) {
      const Floats<N> more = to_floats(pack);
#pragma unroll
      for (int i = 0; i < N; ++i) sum.v[i] += more.v[i];
    };
    if (is_mine)
      sum = load<N>(dtable + row * width + at),
      add(load_pack<N>(dy + static_cast<int64_t>(first) * width + at));
    int left = table.counts[row] - 1;
    for (int begin = first + 1; left > 0; begin += kWindow) {
      const int found = find_tokens(ids, begin, tokens, id, list, warp_counts);
      left -= found;
      for (int i = 0; is_mine && i < found; i += kRowsAhead) {
        Pack<Y, N> rows[kRowsAhead];
#pragma unroll
        for (int j = 0; j < kRowsAhead; ++j)
          if (i + j < found) rows[j] = load_pack<N>(dy + static_cast<int64_t>(list[i + j]) * width + at);
#pragma unroll
        for (int j = 0; j < kRowsAhead; ++j)
          if (i + j < found) add(rows[j]);
      }
      __syncthreads();  // The list has been read.
    }
    if (is_mine) store<N>(dtable + row * width + at, sum);
  }
}

}  // namespace

void run(Cuda& cuda, const Embed& op) {
  const unsigned tokens = static_cast<unsigned>(op.ids.dim(0));
  if (tokens == 0) return;
  const int width = static_cast<int>(op.y.dim(1));
  with_type<DType::kBF16, DType::kF32, DType::kF16>(op.table.dtype, [&]<class W>() {
    with_type<DType::kBF16, DType::kF32>(op.y.dtype, [&]<class Y>() {
      const auto launch = [&]<int N>() {
        embed_kernel<W, Y, N>
            <<<dim3(tokens, blocks_of(width, kThreads * N)), kThreads, 0, cuda.state().stream>>>(
                gpu_data<int32_t>(op.ids), gpu_data<W>(op.table), gpu_data<Y>(op.y), op.table.dim(0), width,
                op.first_id);
      };
      if (is_packed(width, 8, {op.table.data, op.y.data}))
        launch.template operator()<8>();
      else
        launch.template operator()<1>();
    });
  });
  CUDA_CHECK_LAUNCH();
}

void run(Cuda& cuda, const EmbedBackward& op) {
  const unsigned tokens = static_cast<unsigned>(op.ids.dim(0));
  if (tokens == 0) return;
  const int width = static_cast<int>(op.dy.dim(1));
  const int64_t vocab = op.dtable.dim(0);
  const cudaStream_t stream = cuda.state().stream;
  const size_t rows = static_cast<size_t>(vocab);
  int* scratch = reinterpret_cast<int*>(cuda.scratch((2 * rows + tokens + 1) * sizeof(int)));
  const IdTable table{.counts = scratch + 1,
                      .firsts = scratch + 1 + rows,
                      .distinct = scratch + 1 + 2 * rows,
                      .num_distinct = scratch};
  CUDA_CHECK(cudaMemsetAsync(scratch, 0, (1 + rows) * sizeof(int), stream));
  CUDA_CHECK(cudaMemsetAsync(table.firsts, kNever & 0xff, rows * sizeof(int), stream));
  const int32_t* ids = gpu_data<int32_t>(op.ids);
  count_ids<<<blocks_of(tokens, 256), 256, 0, stream>>>(ids, static_cast<int>(tokens), vocab, op.first_id,
                                                        table);
  CUDA_CHECK_LAUNCH();
  list_ids<<<blocks_of(tokens, 256), 256, 0, stream>>>(ids, static_cast<int>(tokens), vocab, op.first_id,
                                                       table);
  CUDA_CHECK_LAUNCH();
  with_type<DType::kBF16, DType::kF32>(op.dy.dtype, [&]<class Y>() {
    with_type<DType::kF32, DType::kBF16>(op.dtable.dtype, [&]<class W>() {
      const auto launch = [&]<int N>() {
        const unsigned most = 8 * static_cast<unsigned>(cuda.state().num_multiprocessors());
        embed_backward_kernel<Y, W, N>
            <<<dim3(std::min(tokens, most), blocks_of(width, kThreads * N)), kThreads, 0, stream>>>(
                ids, gpu_data<Y>(op.dy), gpu_data<W>(op.dtable), static_cast<int>(tokens), width, op.first_id,
                table);
      };
      if (is_packed(width, 8, {op.dy.data, op.dtable.data}))
        launch.template operator()<8>();
      else
        launch.template operator()<1>();
    });
  });
  CUDA_CHECK_LAUNCH();
}

}  // namespace poro
