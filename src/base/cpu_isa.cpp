#include "base/cpu_isa.h"

#include <cstdlib>

#if defined(__x86_64__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include "base/error.h"

namespace poro {
namespace {

#if defined(__x86_64__) && !defined(__clang__)
// Linux gives a process the 8 KiB tile registers only when it asks: arch_prctl(ARCH_REQ_XCOMP_PERM,
// XFEATURE_XTILEDATA).
bool request_amx_tiles() {
  return syscall(SYS_arch_prctl, 0x1023, 18) == 0;
}
#endif

// Also where the system does not let a process use it.
bool has_amx() {
#if defined(__x86_64__) && !defined(__clang__)  // Clang 14 cannot ask for the feature bits of AMX.
  return __builtin_cpu_supports("amx-bf16") && __builtin_cpu_supports("amx-int8");
#else
  return false;
#endif
}

Isa best_isa() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return Isa::kPortable;
  if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw") ||
      !__builtin_cpu_supports("avx512vl") || !__builtin_cpu_supports("avx512dq"))
    return Isa::kAvx2;
  if (!__builtin_cpu_supports("avx512vnni")) return Isa::kAvx512;
#if !defined(__clang__)
  if (has_bf16_dot() && has_amx() && request_amx_tiles()) return Isa::kAmx;
#endif
  return Isa::kVnni;
#else
  return Isa::kPortable;
#endif
}

}  // namespace

std::string_view isa_name(Isa isa) {
  switch (isa) {
    case Isa::kPortable:
      return "portable";
    case Isa::kAvx2:
      return "avx2";
    case Isa::kAvx512:
      return "avx512";
    case Isa::kVnni:
      return "vnni";
    case Isa::kAmx:
      return "amx";
  }
  return "?";
}

bool has_bf16_dot() {
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx512bf16");
#else
  return false;
#endif
}

bool has_fast_bf16_dot(Isa isa) {
  return isa >= Isa::kVnni && has_bf16_dot() && !has_amx();
}

Isa detect_isa() {
  const Isa best = best_isa();
  const char* forced = std::getenv("PORO_CPU_ISA");
  if (forced == nullptr || *forced == '\0') return best;
  for (const Isa isa : {Isa::kPortable, Isa::kAvx2, Isa::kAvx512, Isa::kVnni, Isa::kAmx}) {
    if (isa_name(isa) != forced) continue;
    if (isa > best)
      fail("PORO_CPU_ISA={} asks for instructions this processor does not have; its best is {}", forced,
           isa_name(best));
    return isa;
  }
  fail("PORO_CPU_ISA={} is not an instruction set; use portable, avx2, avx512, vnni or amx", forced);
}

}  // namespace poro
