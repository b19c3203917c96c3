// What a GPU can do, measured with its own copies and products: the limits that speeds are shares of.
#pragma once

#include "base/device.h"

namespace poro {

// A product's algorithm is the library's own choice until its shape has come so often; then those that give
// the same bits are timed once.
constexpr int kUsesBeforeMeasuring = 65;

// Bytes read and written per second by a copy within the GPU's memory that no cache holds.
double gpu_copy_rate(Device& device);
// Operations per second of one large bf16 product, 8192 in every direction.
double gpu_product_rate(Device& device);

}  // namespace poro
