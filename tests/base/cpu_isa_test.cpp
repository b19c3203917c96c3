// The forced levels: any up to this processor's best, a sentence for the others.
#include "base/cpu_isa.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "base/error.h"

namespace poro {
namespace {

// detect_isa() under PORO_CPU_ISA=`level`.
Isa detect_forced(const std::string& level) {
  ::setenv("PORO_CPU_ISA", level.c_str(), 1);
  struct Unset {
    ~Unset() { ::unsetenv("PORO_CPU_ISA"); }
  } unset;
  return detect_isa();
}

TEST(CpuIsa, ForcedLevelsUpToTheBest) {
  ::unsetenv("PORO_CPU_ISA");
  const Isa best = detect_isa();
  EXPECT_EQ(detect_forced(""), best);
  for (const Isa isa : {Isa::kPortable, Isa::kAvx2, Isa::kAvx512, Isa::kVnni, Isa::kAmx}) {
    const std::string name(isa_name(isa));
    if (isa <= best)
      EXPECT_EQ(detect_forced(name), isa);
    else
      EXPECT_THROW(detect_forced(name), Error) << name;
  }
}

TEST(CpuIsa, UnknownLevelIsASentence) {
  try {
    detect_forced("sse2");
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("use portable, avx2, avx512, vnni or amx"), std::string::npos);
  }
}

}  // namespace
}  // namespace poro
