// What every product on the AMX tiles begins with: all eight tiles as sixteen rows of 64 bytes. Only for
// files compiled for AMX.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace poro::amx {

constexpr int kRowBytes = 64;
constexpr int64_t kTileBytes = 16 * kRowBytes;

// The compiler's tile intrinsics do not say that they read memory; this keeps what was written before them
// before them.
inline void finish_writes(const void* data) {
  asm volatile("" : : "r"(data) : "memory");
}

struct alignas(64) TileConfig {
  uint8_t palette = 1, start_row = 0;
  uint8_t reserved[14] = {};
  uint16_t row_bytes[16] = {kRowBytes, kRowBytes, kRowBytes, kRowBytes,
                            kRowBytes, kRowBytes, kRowBytes, kRowBytes};
  uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};

inline void configure_tiles() {
  const TileConfig config;
  finish_writes(&config);
  _tile_loadconfig(&config);
}

}  // namespace poro::amx
