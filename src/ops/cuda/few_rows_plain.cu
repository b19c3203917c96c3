// Few rows in f32: a warp for each output, each lane every 32nd group of eight columns. For f32 activations,
// odd sizes and GPUs before Hopper; activations are read through the caches.
#include "ops/cuda/few_rows.h"
#include "ops/cuda/weight_ring.h"

namespace poro {
namespace {

constexpr int kPlainWarps = 4;

struct Plain {
  few_rows::Weights w;
  DType dtype;
  const void* x;
  const void* residual;
  void* y;
  bool is_x_f32, is_y_f32, is_residual_f32;
  int tokens;
  int64_t inputs;
};

__device__ float plain_weight(const Plain& p, int64_t output, int64_t column) {
  const std::byte* row = p.w.values + output * p.w.pitch;
  switch (p.dtype) {
    case DType::kF32:
      return reinterpret_cast<const float*>(row)[column];
    case DType::kF16:
      return __half2float(reinterpret_cast<const __half*>(row)[column]);
    case DType::kBF16:
      return __bfloat162float(reinterpret_cast<const __nv_bfloat16*>(row)[column]);
    case DType::kF8:
      return static_cast<float>(reinterpret_cast<const __nv_fp8_e4m3*>(row)[column]);
    case DType::kI8:
      return static_cast<float>(static_cast<uint8_t>(row[column])) - 128.0f;
    default:
      break;
  }
  const std::byte *word = p.w.values + GpuInt4::word_at(output, column, p.w.pitch),
                  *scale = p.w.values + GpuInt4::scale_at(output, column, p.w.pitch);
  return int4_level(*reinterpret_cast<const uint32_t*>(word), column) *
         __bfloat162float(*reinterpret_cast<const __nv_bfloat16*>(scale));
}

// Eight neighbouring weights.
__device__ void plain_weights(const Plain& p, int64_t output, int64_t column, float (&w)[8]) {
  const std::byte* row = p.w.values + output * p.w.pitch;
  if (p.dtype == DType::kF32) {
    const float4 a = *reinterpret_cast<const float4*>(row + column * 4),
                 b = *reinterpret_cast<const float4*>(row + column * 4 + 16);
    w[0] = a.x, w[1] = a.y, w[2] = a.z, w[3] = a.w, w[4] = b.x, w[5] = b.y, w[6] = b.z, w[7] = b.w;
  } else if (p.dtype == DType::kBF16) {
    const uint4 raw = *reinterpret_cast<const uint4*>(row + column * 2);
    const uint32_t words[4] = {raw.x, raw.y, raw.z, raw.w};
    for (int i = 0; i < 4; ++i) {
      const float2 pair = few_rows::widen_pair(words[i]);
      w[2 * i] = pair.x, w[2 * i + 1] = pair.y;
    }
  } else {
    for (int i = 0; i < 8; ++i) w[i] = plain_weight(p, output, column + i);
  }
}

// Through the L1 cache: every warp reads all of x.
__device__ float plain_x(const Plain& p, int64_t index) {
  return p.is_x_f32 ? static_cast<const float*>(p.x)[index]
                    : __bfloat162float(static_cast<const __nv_bfloat16*>(p.x)[index]);
}

// kAligned: eight columns at a time; the rows of plain weights and of x are aligned to sixteen bytes.
template <bool kAligned>
__global__ void __launch_bounds__(kPlainWarps * 32) plain_kernel(const __grid_constant__ Plain p) {
  const int64_t output = int64_t{blockIdx.x} * kPlainWarps + threadIdx.x / 32;
  const int lane = threadIdx.x % 32;
  if (output >= p.w.outputs) return;
  constexpr int kStep = kAligned ? 8 : 1;
  float sums[kFewRows] = {};
#pragma unroll 2
  for (int64_t column = lane * kStep; column < p.inputs; column += 32 * kStep) {
    float w[kStep];
    if constexpr (kAligned)
      plain_weights(p, output, column, w);
    else
      w[0] = plain_weight(p, output, column);
#pragma unroll
    for (int t = 0; t < kFewRows; ++t) {
      if (t >= p.tokens) break;
      for (int i = 0; i < kStep; ++i) sums[t] = fmaf(w[i], plain_x(p, t * p.inputs + column + i), sums[t]);
    }
  }
  const float scale = p.dtype == DType::kF8 || p.dtype == DType::kI8 ? p.w.scales[output] : 1.0f;
#pragma unroll
  for (int t = 0; t < kFewRows; ++t) {
    if (t >= p.tokens) break;
    for (int offset = 16; offset > 0; offset /= 2) sums[t] += __shfl_xor_sync(0xffffffffu, sums[t], offset);
    if (lane != 0) continue;
    const int64_t index = t * p.w.outputs + output;
    const float residual =
        p.residual == nullptr ? 0.0f : few_rows::load_value(p.residual, p.is_residual_f32, index);
    few_rows::store_value(p.y, p.is_y_f32, index, sums[t] * scale + residual);
  }
}

}  // namespace

void run_few_rows_plainly(Cuda& cuda, const Linear& op) {
  const int64_t row_bytes =
      op.w.is_quantised() ? op.w.values.dim(1) : op.w.inputs() * dtype_bits(op.w.dtype()) / 8;
  const Plain p{.w = {.values = op.w.values.data,
                      .scales = gpu_data<float>(op.w.scales),
                      .pitch = row_bytes,
                      .outputs = op.w.outputs()},
                .dtype = op.w.dtype(),
                .x = op.x.data,
                .residual = op.residual.data,
                .y = op.y.data,
                .is_x_f32 = op.x.dtype == DType::kF32,
                .is_y_f32 = op.y.dtype == DType::kF32,
                .is_residual_f32 = op.residual.dtype == DType::kF32,
                .tokens = static_cast<int>(op.x.dim(0)),
                .inputs = op.w.inputs()};
  const unsigned blocks = static_cast<unsigned>((op.w.outputs() + kPlainWarps - 1) / kPlainWarps);
  const bool is_aligned = op.w.inputs() % 8 == 0 && reinterpret_cast<uintptr_t>(op.w.values.data) % 16 == 0;
  if (is_aligned)
    plain_kernel<true><<<blocks, kPlainWarps * 32, 0, cuda.state().stream>>>(p);
  else
    plain_kernel<false><<<blocks, kPlainWarps * 32, 0, cuda.state().stream>>>(p);
  CUDA_CHECK_LAUNCH();
}

}  // namespace poro
