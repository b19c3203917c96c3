// New keys and values into their pages, converted to the cache's type.
#include "ops/attention.h"
#include "ops/cuda/vector.cuh"

namespace poro {
namespace {

constexpr int kThreads = 256;

struct CacheShape {
  int tokens, heads, page, dim;
};

// A thread for N elements of keys (blockIdx.y 0) or values.
template <class X, class Y, int N>
__global__ void cache_write_kernel(const X* k, const X* v, const int32_t* slots, Y* keys, Y* values,
                                   CacheShape shape) {
  const X* from = blockIdx.y == 0 ? k : v;
  Y* to = blockIdx.y == 0 ? keys : values;
  const int64_t at = (static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x) * N, row = at / shape.dim;
  const int d = static_cast<int>(at % shape.dim), t = static_cast<int>(row / shape.heads),
            head = static_cast<int>(row % shape.heads);
  if (t >= shape.tokens) return;
  const int slot = slots[t];
  const int64_t place =
      (static_cast<int64_t>(slot / shape.page) * shape.heads + head) * shape.page + slot % shape.page;
  store<N>(to + place * shape.dim + d, load<N>(from + at));
}

template <class Body>
void with_cache_type(DType dtype, const Body& body) {
  if (dtype == DType::kF8) return body.template operator()<__nv_fp8_e4m3>();
  with_type<DType::kBF16, DType::kF32, DType::kF16>(dtype, body);
}

}  // namespace

void run(Cuda& cuda, const CacheWrite& op) {
  const int64_t count = op.k.elements();
  if (count == 0) return;
  CHECK(op.v.dtype == op.k.dtype, "k {}, v {}", op.k.str(), op.v.str());
  const CacheShape shape{.tokens = static_cast<int>(op.k.dim(0)),
                         .heads = static_cast<int>(op.k.dim(1)),
                         .page = static_cast<int>(op.keys.dim(2)),
                         .dim = static_cast<int>(op.k.dim(2))};
  with_type<DType::kBF16, DType::kF32>(op.k.dtype, [&]<class X>() {
    with_cache_type(op.keys.dtype, [&]<class Y>() {
      const auto launch = [&]<int N>() {
        cache_write_kernel<X, Y, N>
            <<<dim3(blocks_of(count, kThreads * N), 2), kThreads, 0, cuda.state().stream>>>(
                gpu_data<X>(op.k), gpu_data<X>(op.v), gpu_data<int32_t>(op.slots), gpu_data<Y>(op.keys),
                gpu_data<Y>(op.values), shape);
      };
      if (is_packed(op.k.dim(2), 8, {op.k.data, op.v.data, op.keys.data, op.values.data}))
        launch.template operator()<8>();
      else
        launch.template operator()<1>();
    });
  });
  CUDA_CHECK_LAUNCH();
}

}  // namespace poro
