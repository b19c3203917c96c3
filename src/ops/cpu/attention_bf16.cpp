// Tiled attention by vdpbf16ps: a pair of a left operand's row against a row of pairs of the right one's.
#define PORO_ISA bf16
#include <immintrin.h>

#include "ops/cpu/attention_tiles_forward.h"
#include "ops/cpu/attention_tiles_gradient.h"

namespace poro {
namespace bf16 {
namespace {

struct DotTiles {
  static void begin() {}
  static void end() {}

  static void multiply(const TileProduct& product) {
    for (int64_t row = 0; row < 16; row += kRows) multiply_rows(product, row);
  }

 private:
  static constexpr int64_t kRows = 8;  // Sixteen sums in registers

  PORO_INLINE static void multiply_rows(const TileProduct& product, int64_t row) {
    __m512 sums[kRows][2];
#pragma GCC unroll 8
    for (int64_t r = 0; r < kRows; ++r)
      for (int64_t half = 0; half < 2; ++half)
        sums[r][half] = product.from == nullptr
                            ? _mm512_setzero_ps()
                            : _mm512_load_ps(product.from + half * (kPairFloats / 2) + (row + r) * 16);
    const std::byte *a = product.a + row * 64, *b = product.b;
    for (int64_t step = 0; step < product.steps; ++step, a += product.a_step, b += product.b_step)
      for (int64_t pair = 0; pair < 16; ++pair) {
        const __m512bh left = (__m512bh)_mm512_load_si512(b + pair * 64),
                       right = (__m512bh)_mm512_load_si512(b + kTile + pair * 64);
#pragma GCC unroll 8
        for (int64_t r = 0; r < kRows; ++r) {
          int32_t both;
          std::memcpy(&both, a + r * 64 + pair * 4, sizeof both);
          const __m512bh splat = (__m512bh)_mm512_set1_epi32(both);
          sums[r][0] = _mm512_dpbf16_ps(sums[r][0], splat, left);
          sums[r][1] = _mm512_dpbf16_ps(sums[r][1], splat, right);
        }
      }
#pragma GCC unroll 8
    for (int64_t r = 0; r < kRows; ++r)
      for (int64_t half = 0; half < 2; ++half)
        _mm512_store_ps(product.to + half * (kPairFloats / 2) + (row + r) * 16, sums[r][half]);
  }
};

}  // namespace
}  // namespace bf16

extern const TiledAttention kDotAttention;
constinit const TiledAttention kDotAttention = {
    .pack = bf16::pack_keys,
    .attend = bf16::attend_unit<bf16::DotTiles>,
    .attend_gradient = bf16::attend_gradient_tiled<bf16::DotTiles>,
    .gradient_bytes = bf16::tiled_gradient_bytes};

}  // namespace poro
