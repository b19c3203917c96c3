#include <array>

#include "base/cuda/peer_sums.h"
#include "base/log.h"

namespace poro {
namespace {

constexpr int kThreads = 256;
constexpr int kMostBlocks =
    128;  // All run at once on any GPU of today, so that none waits for a block that waits for it.
constexpr size_t kPacketBytes = 16;  // Two numbers and their marks.
// Sums take turns with two places: a GPU is at most one sum ahead of another.
constexpr size_t kPlaceBytes = static_cast<size_t>(PeerSums::kMostElements) / 2 * kPacketBytes;

// The number of the sum that comes next, and how many blocks have ended.
struct Progress {
  uint32_t mark, blocks_done;
};

struct Values {
  const void* data;
  bool is_f32;

  __device__ float2
  pair(int64_t i) const {  // Past the L1 cache: the kernel before this one may still have run when it began.
    if (data == nullptr) return {0, 0};
    if (is_f32) return __ldcg(static_cast<const float2*>(data) + i);
    const uint32_t both = __ldcg(static_cast<const uint32_t*>(data) + i);
    return {__uint_as_float(both << 16), __uint_as_float(both & 0xffff0000u)};
  }
};

struct Sum {
  Values part, residual;
  void* to = nullptr;
  bool is_to_f32 = false;
  int64_t pairs = 0;
  int rank = 0, ranks = 1;
  uint4* received = nullptr;               // (two places, ranks, packets)
  uint4* sent[PeerSums::kMostRanks] = {};  // The same of each other rank; null for this one.
  Progress* progress = nullptr;
};

__device__ void store_pair(const Sum& s, int64_t i, float2 value) {
  if (s.is_to_f32)
    static_cast<float2*>(s.to)[i] = value;
  else
    static_cast<__nv_bfloat162*>(s.to)[i] = __floats2bfloat162_rn(value.x, value.y);
}

// Halves of a packet arrive whole, so each has its mark.
__device__ void send(uint4* to, float2 value, uint32_t mark) {
  asm volatile("st.volatile.global.v4.u32 [%0], {%1, %2, %3, %2};" ::"l"(to), "r"(__float_as_uint(value.x)),
               "r"(mark), "r"(__float_as_uint(value.y))
               : "memory");
}
__device__ float2 receive(const uint4* from, uint32_t mark) {
  uint4 packet;
  do {
    asm volatile("ld.volatile.global.v4.u32 {%0, %1, %2, %3}, [%4];"
                 : "=r"(packet.x), "=r"(packet.y), "=r"(packet.z), "=r"(packet.w)
                 : "l"(from)
                 : "memory");
  } while (packet.y != mark || packet.w != mark);
  return {__uint_as_float(packet.x), __uint_as_float(packet.z)};
}

__global__ void __launch_bounds__(kThreads) sum_kernel(const __grid_constant__ Sum s) {
#if __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
  asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
  constexpr int64_t kPlacePackets = static_cast<int64_t>(kPlaceBytes / kPacketBytes);
  const uint32_t mark = *reinterpret_cast<volatile uint32_t*>(&s.progress->mark);
  const int64_t place = mark % 2 * s.ranks * kPlacePackets;
  const int64_t first = blockIdx.x * int64_t{kThreads} + threadIdx.x, step = int64_t{gridDim.x} * kThreads;
  for (int64_t i = first; i < s.pairs; i += step) {
    const float2 mine = s.part.pair(i);
#pragma unroll
    for (int other = 0; other < PeerSums::kMostRanks; ++other)
      if (other < s.ranks && other != s.rank)
        send(s.sent[other] + place + s.rank * kPlacePackets + i, mine, mark);
  }
  for (int64_t i = first; i < s.pairs; i += step) {
    float2 sum = {0, 0};
    for (int from = 0; from < s.ranks; ++from) {  // In the order of ranks, so that all have the same bits.
      const float2 value =
          from == s.rank ? s.part.pair(i) : receive(s.received + place + from * kPlacePackets + i, mark);
      sum = {sum.x + value.x, sum.y + value.y};
    }
    const float2 residual = s.residual.pair(i);
    store_pair(s, i, {residual.x + sum.x, residual.y + sum.y});
  }
  __syncthreads();
  if (threadIdx.x > 0) return;
  if (atomicAdd(&s.progress->blocks_done, 1) + 1 < gridDim.x) return;
  s.progress->blocks_done = 0;
  s.progress->mark = mark == ~0u ? 2 : mark + 1;  // Never 0, which untouched memory holds.
}

__global__ void add_kernel(const Sum s) {
  for (int64_t i = blockIdx.x * int64_t{kThreads} + threadIdx.x; i < s.pairs;
       i += int64_t{gridDim.x} * kThreads) {
    const float2 a = s.part.pair(i), b = s.residual.pair(i);
    store_pair(s, i, {a.x + b.x, a.y + b.y});
  }
}

Values values_of(const Tensor& tensor) {
  CHECK(!tensor || tensor.dtype == DType::kF32 || tensor.dtype == DType::kBF16, "a sum of {}", tensor.str());
  return {.data = tensor.data, .is_f32 = tensor.dtype == DType::kF32};
}

Sum sum_of(const Tensor& part, const Tensor& residual, const Tensor& to) {
  CHECK(part.elements() == to.elements() && (!residual || residual.elements() == to.elements()) &&
            to.elements() % 2 == 0,
        "{} and {} to {}", part.str(), residual.str(), to.str());
  return {.part = values_of(part),
          .residual = values_of(residual),
          .to = to.data,
          .is_to_f32 = values_of(to).is_f32,
          .pairs = to.elements() / 2};
}

int blocks_for(int64_t pairs) {
  return static_cast<int>(std::min<int64_t>((pairs + kThreads - 1) / kThreads, kMostBlocks));
}

}  // namespace

std::unique_ptr<PeerSums> PeerSums::open(Cuda& cuda, Comm& host) {
  std::unique_ptr<PeerSums> sums(new PeerSums(cuda));
  sums->rank_ = host.rank();
  sums->ranks_ = host.size();
  const size_t ranks = static_cast<size_t>(host.size()), bytes = 2 * ranks * kPlaceBytes + sizeof(Progress);
  CUDA_CHECK(cudaSetDevice(cuda.state().index));
  struct Card {
    cudaIpcMemHandle_t memory;
    int is_there;
  };
  Card mine = {};
  if (ranks <= kMostRanks && (sums->memory_ = gpu::allocate(cuda, bytes)) != nullptr) {
    const Progress first = {.mark = 1, .blocks_done = 0};
    CUDA_CHECK(cudaMemcpy(sums->memory_ + bytes - sizeof(Progress), &first, sizeof(Progress),
                          cudaMemcpyHostToDevice));
    mine.is_there = cudaIpcGetMemHandle(&mine.memory, sums->memory_) == cudaSuccess;
  }
  std::vector<Card> cards(ranks);
  host.all_gather(std::as_bytes(std::span(&mine, 1)), std::as_writable_bytes(std::span(cards)));
  bool is_open = true;
  sums->theirs_.resize(ranks);
  for (size_t rank = 0; rank < ranks; ++rank) {
    is_open = is_open && cards[rank].is_there;
    if (!is_open || static_cast<int>(rank) == sums->rank_) continue;
    void* memory = nullptr;
    is_open =
        cudaIpcOpenMemHandle(&memory, cards[rank].memory, cudaIpcMemLazyEnablePeerAccess) == cudaSuccess;
    sums->theirs_[rank] = static_cast<std::byte*>(memory);
  }
  cudaGetLastError();  // What failed above is said by is_open.
  if (host.is_any(!is_open)) {
    if (sums->rank_ == 0) inform("the GPUs cannot reach each other's memory; all sums go through NCCL");
    return nullptr;
  }
  return sums;
}

PeerSums::~PeerSums() {
  cudaStreamSynchronize(cuda_->state().stream);
  for (std::byte* memory : theirs_)
    if (memory != nullptr) cudaIpcCloseMemHandle(memory);
  if (memory_ != nullptr) gpu::release(*cuda_, memory_);
}

void PeerSums::sum_onto(const Tensor& part, const Tensor& residual, const Tensor& to) {
  CHECK(part.elements() <= kMostElements, "{} is more than {}", part.str(), kMostElements);
  Sum sum = sum_of(part, residual, to);
  sum.rank = rank_;
  sum.ranks = ranks_;
  sum.received = reinterpret_cast<uint4*>(memory_);
  for (int other = 0; other < ranks_; ++other)
    sum.sent[other] = reinterpret_cast<uint4*>(theirs_[static_cast<size_t>(other)]);
  sum.progress = reinterpret_cast<Progress*>(memory_ + 2 * static_cast<size_t>(ranks_) * kPlaceBytes);
  // The products around it overlap with it (ops/cuda/weight_ring.h).
  cudaLaunchAttribute overlap = {};
  overlap.id = cudaLaunchAttributeProgrammaticStreamSerialization;
  overlap.val.programmaticStreamSerializationAllowed = 1;
  const cudaLaunchConfig_t config = {.gridDim = dim3(static_cast<unsigned>(blocks_for(sum.pairs))),
                                     .blockDim = dim3(kThreads),
                                     .dynamicSmemBytes = 0,
                                     .stream = cuda_->state().stream,
                                     .attrs = &overlap,
                                     .numAttrs = cuda_->state().capability() >= 90 ? 1u : 0u};
  CUDA_CHECK(cudaLaunchKernelEx(&config, sum_kernel, sum));
}

void add_on_gpu(Cuda& cuda, const Tensor& part, const Tensor& residual, const Tensor& to) {
  const Sum sum = sum_of(part, residual, to);
  const int blocks = static_cast<int>(
      std::min<int64_t>((sum.pairs + kThreads - 1) / kThreads, 16 * cuda.state().num_multiprocessors()));
  add_kernel<<<blocks, kThreads, 0, cuda.state().stream>>>(sum);
  CUDA_CHECK_LAUNCH();
}

}  // namespace poro
