// Operands on their way into tiles. A tile of the left operand is sixteen rows of 32 numbers along K, one of
// the right operand sixteen pairs along K of sixteen columns. Only for files compiled for AMX.
#pragma once

#include <cstddef>

#include "ops/cpu/amx_kernels.h"
#include "ops/cpu/amx_tiles.h"
#include "ops/cpu/tile_rows.h"

namespace poro::amx {

inline int64_t smaller(int64_t a, int64_t b) {
  return a < b ? a : b;
}

inline __mmask16 first_lanes(int64_t count) {
  return count >= 16  ? __mmask16{0xffff}
         : count <= 0 ? __mmask16{0}
                      : static_cast<__mmask16>((1u << count) - 1);
}

inline __mmask32 first_halves(int64_t count) {
  return count >= 32 ? ~__mmask32{0} : count <= 0 ? __mmask32{0} : (__mmask32{1} << count) - 1;
}

// One panel of weights: outputs [first, first + kPanel) and kChunk of K, as far as they exist. Units of it
// are copied one by one; a cursor walks over them.
struct Cursor {
  int64_t major = 0, minor = 0;

  void advance(int64_t minors) {
    if (++minor == minors) *this = {.major = major + 1, .minor = 0};
  }
};

// Weights (O, K): a unit is 32 numbers of a row, one row of a tile.
struct RowPanel {
  const BFloat16* w = nullptr;
  int64_t stride = 0, outputs = 0, inputs = 0;

  int64_t steps() const { return (inputs + kStep - 1) / kStep; }
  int64_t majors() const { return kPanel; }
  int64_t minors() const { return steps(); }

  const BFloat16* at(const Cursor& unit) const { return w + unit.major * stride + unit.minor * kStep; }
  void fetch(const Cursor& unit) const {
    if (unit.major < outputs) _mm_prefetch(reinterpret_cast<const char*>(at(unit)), _MM_HINT_T1);
  }
  void copy(const Cursor& unit, std::byte* packed) const {
    const __mmask32 lanes = unit.major < outputs ? first_halves(inputs - unit.minor * kStep) : __mmask32{0};
    _mm512_store_si512(packed + unit.minor * 2 * kTileBytes + unit.major * kRowBytes,
                       _mm512_maskz_loadu_epi16(lanes, at(unit)));
  }
};

// Weights (K, O): a unit is two rows of 32 columns, one row of two tiles.
template <class From>
struct PairPanel {
  const From* w = nullptr;
  int64_t stride = 0, outputs = 0, inputs = 0;

  int64_t steps() const { return (inputs + kStep - 1) / kStep; }
  int64_t majors() const { return steps(); }
  int64_t minors() const { return kStep / 2; }

  void fetch(const Cursor& unit) const {
    const int64_t row = unit.major * kStep + unit.minor * 2;
    for (int64_t i = 0; i < 2; ++i)
      for (int64_t line = 0; line < static_cast<int64_t>(kPanel * sizeof(From) / 64); ++line)
        if (row + i < inputs)
          _mm_prefetch(reinterpret_cast<const char*>(w + (row + i) * stride) + line * 64, _MM_HINT_T1);
  }
  __m512i halves(int64_t row) const {
    const From* from = w + row * stride;
    const int64_t count = row < inputs ? outputs : 0;
    if constexpr (sizeof(From) == 2)
      return _mm512_maskz_loadu_epi16(first_halves(count), from);
    else
      return (__m512i)_mm512_cvtne2ps_pbh(_mm512_maskz_loadu_ps(first_lanes(count - 16), from + 16),
                                          _mm512_maskz_loadu_ps(first_lanes(count), from));
  }
  void copy(const Cursor& unit, std::byte* packed) const {
    const int64_t row = unit.major * kStep + unit.minor * 2;
    const __m512i a = halves(row), b = halves(row + 1);
    std::byte* to = packed + unit.major * 2 * kTileBytes + unit.minor * kRowBytes;
    _mm512_store_si512(to, interleave<0>(a, b));
    _mm512_store_si512(to + kTileBytes, interleave<16>(a, b));
  }
};

// Brings a panel into tile order (step, two tiles) while another is being multiplied: at each of `steps`
// steps a few of its units, asking memory for those that come later. What does not exist becomes zero.
template <class Panel>
class Packing {
 public:
  Packing(const Panel& panel, std::byte* packed, int64_t steps)
      : panel_(panel),
        packed_(packed),
        left_(panel.majors() * panel.minors()),
        units_per_step_(steps > 0 ? (left_ + steps - 1) / steps : 0) {
    if (left_ == 0) return;
    for (int64_t i = 0; i < smaller(kUnitsAhead, left_); ++i) fetch();
  }

  void step() { copy(units_per_step_); }
  void finish() { copy(left_); }

 private:
  static constexpr int64_t kUnitsAhead = 48;

  void fetch() {
    if (fetched_.major == panel_.majors()) return;
    panel_.fetch(fetched_);
    fetched_.advance(panel_.minors());
  }
  void copy(int64_t units) {
    for (units = smaller(units, left_); units > 0; --units, --left_) {
      fetch();
      panel_.copy(copied_, packed_);
      copied_.advance(panel_.minors());
    }
  }

  const Panel panel_;
  std::byte* const packed_;
  int64_t left_;
  const int64_t units_per_step_;
  Cursor fetched_, copied_;
};

}  // namespace poro::amx
