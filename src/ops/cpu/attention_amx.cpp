// Tiled attention by the AMX tiles, four of them at a time (linear_amx.cpp says why).
#define PORO_ISA amx
#include "ops/cpu/amx_tiles.h"
#include "ops/cpu/attention_tiles_forward.h"
#include "ops/cpu/attention_tiles_gradient.h"

namespace poro {
namespace amx {
namespace {

struct AmxTiles {
  static void begin() { configure_tiles(); }
  static void end() { _tile_release(); }

  PORO_INLINE static void multiply(const TileProduct& product) {
    finish_writes(product.a);
    if (product.from == nullptr) {
      _tile_zero(0);
      _tile_zero(1);
    } else {
      _tile_loadd(0, product.from, kRowBytes);
      _tile_loadd(1, product.from + kPairFloats / 2, kRowBytes);
    }
    const std::byte *a = product.a, *b = product.b;
    for (int64_t step = 0; step < product.steps; ++step, a += product.a_step, b += product.b_step) {
      _tile_loadd(2, a, kRowBytes);
      _tile_loadd(3, b, kRowBytes);
      _tile_dpbf16ps(0, 2, 3);
      _tile_loadd(3, b + kTile, kRowBytes);
      _tile_dpbf16ps(1, 2, 3);
    }
    _tile_stored(0, product.to, kRowBytes);
    _tile_stored(1, product.to + kPairFloats / 2, kRowBytes);
  }
};

}  // namespace
}  // namespace amx

extern const TiledAttention kTileAttention;
constinit const TiledAttention kTileAttention = {.pack = amx::pack_keys,
                                                 .attend = amx::attend_unit<amx::AmxTiles>,
                                                 .attend_gradient = amx::attend_gradient_tiled<amx::AmxTiles>,
                                                 .gradient_bytes = amx::tiled_gradient_bytes};

}  // namespace poro
