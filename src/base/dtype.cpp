#include "base/dtype.h"

#include <cmath>

namespace poro {

std::string_view dtype_name(DType dtype) {
  switch (dtype) {
    case DType::kF64:
      return "f64";
    case DType::kF32:
      return "f32";
    case DType::kF16:
      return "f16";
    case DType::kBF16:
      return "bf16";
    case DType::kF8:
      return "fp8";
    case DType::kI32:
      return "i32";
    case DType::kI8:
      return "int8";
    case DType::kI4:
      return "int4";
  }
  return "?";
}

Float16::Float16(float value) {
  const uint32_t word = std::bit_cast<uint32_t>(value);
  const uint16_t sign = static_cast<uint16_t>((word >> 16) & 0x8000u);
  const float magnitude = std::fabs(value);
  if (std::isnan(value)) {
    bits = sign | 0x7e00u;
  } else if (magnitude >= 65520.0f) {  // Rounds past the largest finite value, 65504.
    bits = sign | 0x7c00u;
  } else if (magnitude < 6.103515625e-05f) {  // Subnormal: a multiple of 2^-24, rounded by the addition.
    bits = sign | static_cast<uint16_t>(std::lrint(magnitude * 16777216.0f));
  } else {
    const uint32_t rounded = (word & 0x7fffffffu) + 0xfffu + ((word >> 13) & 1u);
    bits = sign | static_cast<uint16_t>((rounded - (112u << 23)) >> 13);
  }
}

Float16::operator float() const {
  const uint32_t sign = (bits & 0x8000u) << 16;
  const uint32_t exponent = (bits >> 10) & 0x1fu;
  const uint32_t mantissa = bits & 0x3ffu;
  if (exponent == 0) {
    const float magnitude = static_cast<float>(mantissa) * 5.9604644775390625e-08f;
    return sign != 0 ? -magnitude : magnitude;
  }
  if (exponent == 31) return std::bit_cast<float>(sign | 0x7f800000u | (mantissa << 13));
  return std::bit_cast<float>(sign | ((exponent + 112u) << 23) | (mantissa << 13));
}

}  // namespace poro
