// Quantisation on the GPU: a block for each row of fp8 and int8, a warp for each group of int4. Sums run in
// fixed orders.
#include "ops/cuda/row_scales.h"
#include "ops/cuda/weight_ring.h"
#include "ops/quantize.h"

namespace poro {
namespace {

constexpr int kRowThreads = 256;
constexpr int kGroupWarps = 8;

template <class T>
__device__ float value_of(const T* source, int64_t index) {
  return static_cast<float>(source[index]);
}

// Elements [at, at + 8) of a row as floats, zeros behind its end.
template <class T, bool kAligned>
__device__ void load_eight(const T* row, int64_t at, int64_t inputs, float (&values)[8]) {
  if constexpr (kAligned && sizeof(T) == 2) {
    const uint4 raw = *reinterpret_cast<const uint4*>(row + at);
    const uint32_t words[4] = {raw.x, raw.y, raw.z, raw.w};
    for (int i = 0; i < 4; ++i) {
      const float2 pair = few_rows::widen_pair(words[i]);
      values[2 * i] = pair.x, values[2 * i + 1] = pair.y;
    }
  } else {
    for (int i = 0; i < 8; ++i) values[i] = at + i < inputs ? value_of(row, at + i) : 0.0f;
  }
}

// kAligned: whole groups of eight, aligned to sixteen bytes.
template <class T, bool kIsFloat, bool kAligned>
__global__ void __launch_bounds__(kRowThreads)
    quantize_rows(const T* source, int64_t inputs, uint8_t* values, int64_t pitch, float* scales) {
  __shared__ float largest_of_warp[kRowThreads / 32];
  const T* from = source + blockIdx.x * inputs;
  float largest = 0, w[8];
  for (int64_t at = threadIdx.x * 8; at < inputs; at += kRowThreads * 8) {
    load_eight<T, kAligned>(from, at, inputs, w);
    for (const float value : w) largest = fmaxf(largest, fabsf(value));
  }
  for (int offset = 16; offset > 0; offset /= 2)
    largest = fmaxf(largest, __shfl_xor_sync(0xffffffffu, largest, offset));
  if (threadIdx.x % 32 == 0) largest_of_warp[threadIdx.x / 32] = largest;
  __syncthreads();
  for (const float other : largest_of_warp) largest = fmaxf(largest, other);
  const float reach = kIsFloat ? 448.0f : 127.0f;
  const float inverse = largest > 0 ? reach / largest : 0.0f;
  for (int64_t at = threadIdx.x * 8; at < inputs; at += kRowThreads * 8) {
    load_eight<T, kAligned>(from, at, inputs, w);
    uint8_t bytes[8];
    for (int i = 0; i < 8; ++i) {
      const float level = w[i] * inverse;
      bytes[i] = kIsFloat ? __nv_cvt_float_to_fp8(level, __NV_SATFINITE, __NV_E4M3)
                          : static_cast<uint8_t>(__float2int_rn(fminf(fmaxf(level, -127.0f), 127.0f)) + 128);
    }
    uint8_t* to = values + blockIdx.x * pitch + at;
    if constexpr (kAligned) {
      uint2 packed = {0, 0};
      for (int i = 0; i < 4; ++i)
        packed.x |= uint32_t{bytes[i]} << 8 * i, packed.y |= uint32_t{bytes[4 + i]} << 8 * i;
      *reinterpret_cast<uint2*>(to) = packed;
    } else {
      for (int i = 0; i < 8; ++i)
        if (at + i < inputs) to[i] = bytes[i];
    }
  }
  if (threadIdx.x == 0) scales[blockIdx.x] = largest / reach;
}

template <bool kIsFloat>
void launch_rows(Cuda& cuda, const RowsToF8& task) {
  const int64_t inputs = task.rows.dim(1);
  const bool is_aligned =
      inputs % 8 == 0 && task.pitch % 8 == 0 && reinterpret_cast<uintptr_t>(task.rows.data) % 16 == 0;
  const unsigned blocks = static_cast<unsigned>(task.rows.dim(0));
  with_type<DType::kBF16, DType::kF32>(task.rows.dtype, [&]<class T>() {
    const T* from = gpu_data<T>(task.rows);
    if (is_aligned)
      quantize_rows<T, kIsFloat, true><<<blocks, kRowThreads, 0, cuda.state().stream>>>(
          from, inputs, task.values, task.pitch, task.scales);
    else
      quantize_rows<T, kIsFloat, false><<<blocks, kRowThreads, 0, cuda.state().stream>>>(
          from, inputs, task.values, task.pitch, task.scales);
  });
  CUDA_CHECK_LAUNCH();
}

// The magnitude, in steps, that a code can have and that is nearest: k + 1/2.
__device__ float nearest_magnitude(float v) {
  return fminf(floorf(v), 7.0f) + 0.5f;
}

__device__ float warp_sum(float value) {
  for (int offset = 16; offset > 0; offset /= 2) value += __shfl_xor_sync(0xffffffffu, value, offset);
  return value;
}

// The scale with the least squared error: for each candidate the weights go to their nearest levels l, the
// best scale for those is sum(w l) / sum(l l), and the one with the largest sum(w l)^2 / sum(l l) leaves the
// least.
__device__ float group_scale(const float (&magnitudes)[2]) {
  float largest = fmaxf(magnitudes[0], magnitudes[1]);
  for (int offset = 16; offset > 0; offset /= 2)
    largest = fmaxf(largest, __shfl_xor_sync(0xffffffffu, largest, offset));
  if (!(largest > 0)) return 0;
  float best_scale = 0, best_gain = -1;
#pragma unroll
  for (int candidate = 0; candidate < 6; ++candidate) {
    const float reach =
        1.0f -
        0.07f * static_cast<float>(candidate);  // Of the largest weight: where the longest level is put.
    const float inverse = GpuInt4::kMiddle / (largest * reach);
    float product = 0, square = 0;
    for (const float magnitude : magnitudes) {
      const float level = nearest_magnitude(magnitude * inverse);
      product += magnitude * level;
      square += level * level;
    }
    product = warp_sum(product);
    square = warp_sum(square);
    const float scale = product / square, gain = product * scale;
    if (gain > best_gain) best_gain = gain, best_scale = scale;
  }
  return best_scale;
}

struct Int4Rows {
  std::byte* values;
  int64_t outputs, inputs, pitch, groups;
};

template <class T>
__global__ void __launch_bounds__(kGroupWarps * 32) quantize_groups(const T* source, const Int4Rows target) {
  const int64_t index = int64_t{blockIdx.x} * kGroupWarps + threadIdx.x / 32;
  if (index >= target.outputs * target.groups) return;
  const int64_t row = index / target.groups, group = index % target.groups;
  const int lane = threadIdx.x % 32;
  float w[2], magnitudes[2];
  for (int i = 0; i < 2; ++i) {
    const int64_t column = group * GpuInt4::kColumns + 2 * lane + i;
    w[i] = column < target.inputs ? value_of(source, row * target.inputs + column) : 0.0f;
    magnitudes[i] = fabsf(w[i]);
  }
  const __nv_bfloat16 scale = __float2bfloat16_rn(group_scale(magnitudes));
  const float step = __bfloat162float(scale), inverse = step > 0 ? 1.0f / step : 0.0f;
  uint32_t word = 0;
  for (int i = 0; i < 2; ++i) {
    const float level = copysignf(nearest_magnitude(magnitudes[i] * inverse), w[i]);
    const uint32_t code = static_cast<uint32_t>(level + GpuInt4::kMiddle);
    word |= __funnelshift_l(code, code, GpuInt4::turn(2 * lane + i));
  }
  word |= __shfl_xor_sync(0xffffffffu, word, 1);
  word |= __shfl_xor_sync(0xffffffffu, word, 2);
  std::byte* to = target.values;
  const int64_t column = group * GpuInt4::kColumns + 2 * lane;
  if (lane == 0) *reinterpret_cast<__nv_bfloat16*>(to + GpuInt4::scale_at(row, column, target.pitch)) = scale;
  if (lane % 4 == 0) *reinterpret_cast<uint32_t*>(to + GpuInt4::word_at(row, column, target.pitch)) = word;
}

// Eight columns of a row.
struct QuantisedRows {
  const std::byte* values;
  const float* scales;
  DType dtype;
  int64_t outputs, inputs, pitch;
};

__device__ void widen_eight(const QuantisedRows& from, int64_t row, int64_t column, float (&w)[8]) {
  if (from.dtype == DType::kI4) {
    const uint32_t word =
        *reinterpret_cast<const uint32_t*>(from.values + GpuInt4::word_at(row, column, from.pitch));
    const float scale = __bfloat162float(
        *reinterpret_cast<const __nv_bfloat16*>(from.values + GpuInt4::scale_at(row, column, from.pitch)));
    for (int i = 0; i < 8; ++i) w[i] = int4_level(word, i) * scale;
    return;
  }
  const uint2 raw = *reinterpret_cast<const uint2*>(from.values + row * from.pitch + column);
  const uint2 a = from.dtype == DType::kF8 ? widen_f8(raw.x) : widen_i8(raw.x),
              b = from.dtype == DType::kF8 ? widen_f8(raw.y) : widen_i8(raw.y);
  const uint32_t pairs[4] = {a.x, a.y, b.x, b.y};
  const float scale = from.scales[row];
  for (int i = 0; i < 4; ++i) {
    const float2 pair = __half22float2(reinterpret_cast<const __half2&>(pairs[i]));
    w[2 * i] = pair.x * scale, w[2 * i + 1] = pair.y * scale;
  }
}

template <class T>
__global__ void __launch_bounds__(256) dequantize_rows(const QuantisedRows from, T* target) {
  const int64_t per_row = (from.inputs + 7) / 8, index = int64_t{blockIdx.x} * 256 + threadIdx.x;
  if (index >= from.outputs * per_row) return;
  const int64_t row = index / per_row, column = index % per_row * 8;
  float w[8];
  widen_eight(from, row, column, w);
  T* to = target + row * from.inputs + column;
  if (from.inputs % 8 == 0 && sizeof(T) == 2) {
    uint4 packed;
    packed.x = few_rows::round_pair(w[0], w[1]), packed.y = few_rows::round_pair(w[2], w[3]);
    packed.z = few_rows::round_pair(w[4], w[5]), packed.w = few_rows::round_pair(w[6], w[7]);
    *reinterpret_cast<uint4*>(to) = packed;
    return;
  }
  for (int i = 0; i < 8; ++i)
    if (column + i < from.inputs) to[i] = static_cast<T>(w[i]);
}

unsigned blocks_for(int64_t count, int64_t of) {
  return static_cast<unsigned>((count + of - 1) / of);
}

}  // namespace

void rows_to_f8(Cuda& cuda, const RowsToF8& task) {
  launch_rows<true>(cuda, task);
}

void quantize(Cuda& cuda, const Matrix& source, const Matrix& target) {
  CHECK(!source.is_quantised() && source.values.shape == target.quantization->shape, "{} into {}",
        source.values.str(), target.quantization->shape.str());
  CHECK(target.values.shape == gpu_rows_shape(*target.quantization), "rows {}", target.values.str());
  const int64_t outputs = source.outputs(), inputs = source.inputs(), pitch = target.values.dim(1);
  if (target.dtype() != DType::kI4) {
    const RowsToF8 task{.rows = source.values,
                        .values = gpu_data<uint8_t>(target.values),
                        .scales = gpu_data<float>(target.scales),
                        .pitch = pitch};
    return target.dtype() == DType::kF8 ? launch_rows<true>(cuda, task) : launch_rows<false>(cuda, task);
  }
  const Int4Rows rows{.values = target.values.data,
                      .outputs = outputs,
                      .inputs = inputs,
                      .pitch = pitch,
                      .groups = (inputs + GpuInt4::kColumns - 1) / GpuInt4::kColumns};
  with_type<DType::kBF16, DType::kF32>(source.values.dtype, [&]<class T>() {
    quantize_groups<T>
        <<<blocks_for(outputs * rows.groups, kGroupWarps), kGroupWarps * 32, 0, cuda.state().stream>>>(
            gpu_data<T>(source.values), rows);
  });
  CUDA_CHECK_LAUNCH();
}

void dequantize(Cuda& cuda, const Matrix& source, const Tensor& target) {
  CHECK(source.is_quantised() && target.shape == source.quantization->shape, "{} into {}",
        source.values.str(), target.str());
  const QuantisedRows from{.values = source.values.data,
                           .scales = gpu_data<float>(source.scales),
                           .dtype = source.dtype(),
                           .outputs = source.outputs(),
                           .inputs = source.inputs(),
                           .pitch = source.values.dim(1)};
  with_type<DType::kBF16, DType::kF32>(target.dtype, [&]<class T>() {
    dequantize_rows<T>
        <<<blocks_for(from.outputs * ((from.inputs + 7) / 8), 256), 256, 0, cuda.state().stream>>>(
            from, gpu_data<T>(target));
  });
  CUDA_CHECK_LAUNCH();
}

}  // namespace poro
