// The softmax of one long row by a block: its highest logit and the sum of exponentials, found in one pass.
#pragma once

#include "ops/cuda/vector.cuh"

namespace poro {

// The sum of exponentials of what was seen, relative to the highest of it.
struct Denominator {
  float highest = -INFINITY, sum = 0;

  __device__ double log() const { return static_cast<double>(highest) + ::log(static_cast<double>(sum)); }
};

struct JoinDenominators {
  // The difference may be -infinity minus itself, where nothing was seen yet.
  static __device__ float scaled(Denominator d, float highest) {
    return d.highest == highest ? d.sum : d.sum * expf(d.highest - highest);
  }
  __device__ Denominator operator()(Denominator a, Denominator b) const {
    const float highest = fmaxf(a.highest, b.highest);
    return {highest, scaled(a, highest) + scaled(b, highest)};
  }
};

__device__ __forceinline__ Denominator block_join(Denominator mine) {
  const float highest = block_reduce(mine.highest, Highest{}, -INFINITY);
  return {highest, block_reduce(JoinDenominators::scaled(mine, highest))};
}

// Of a row's `count` elements, on every thread of the block. N > 1 needs an aligned row whose length is a
// multiple of N. The next pack is on its way while one is added.
template <int N, class T>
__device__ Denominator row_denominator(const T* row, int64_t count) {
  Denominator mine;
  const int64_t stride = static_cast<int64_t>(blockDim.x) * N;
  int64_t at = static_cast<int64_t>(threadIdx.x) * N;
  Pack<T, N> next{};
  if (at < count) next = load_pack<N>(row + at);
  while (at < count) {
    const Floats<N> x = to_floats(next);
    at += stride;
    if (at < count) next = load_pack<N>(row + at);
    float highest = mine.highest;
#pragma unroll
    for (int i = 0; i < N; ++i) highest = fmaxf(highest, x.v[i]);
    if (highest == -INFINITY) continue;
    if (highest != mine.highest) mine = {highest, JoinDenominators::scaled(mine, highest)};
#pragma unroll
    for (int i = 0; i < N; ++i) mine.sum += __expf(x.v[i] - highest);  // Good to 1e-7 where terms are large.
  }
  return block_join(mine);
}

}  // namespace poro
