// Which instructions this processor has, by its feature bits (never by its name: virtual machines lie about
// that).
#pragma once

#include <string_view>

namespace poro {

// Each level includes the ones before it. kVnni: AVX-512 with VNNI and, where `has_bf16_dot`, vdpbf16ps.
// kAmx: tiles of bf16 and int8.
enum class Isa { kPortable, kAvx2, kAvx512, kVnni, kAmx };

std::string_view isa_name(Isa isa);

// The best level of this processor, or the lower one named by the environment variable PORO_CPU_ISA
// (portable, avx2, avx512, vnni, amx). Throws Error if the variable names a level the processor does not
// have. Asks the kernel for the AMX tiles.
Isa detect_isa();

// AVX-512 BF16 dot products.
bool has_bf16_dot();

// Whether an instruction set has vdpbf16ps and gains by it. The choice changes the bits of results, so it
// follows from feature bits and from no measurement: processors with AMX run it at half the rate of f32
// arithmetic, those without at twice.
bool has_fast_bf16_dot(Isa isa);

}  // namespace poro
