// What the arithmetic units of this machine can do, measured: the limit beside which `poro bench` puts a
// product.
#pragma once

#include <cstdint>

namespace poro {

class Cpu;

// The unit that multiplies: floats; bf16 where there is something faster for it than floats; int8 likewise.
enum class Unit { kF32, kBf16, kInt8 };

// Operations per second (a multiplication and an addition are two) of all threads at once, operands in
// registers or, for tiles, in the first-level cache. Takes some 10 ms.
double peak_rate(Cpu& cpu, Unit unit);

// x86-64 with VNNI only: peak_vnni.cpp.
double vnni_rounds(int64_t rounds);

}  // namespace poro
