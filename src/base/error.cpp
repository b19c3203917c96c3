#include "base/error.h"

#include <cstdio>
#include <cstdlib>

namespace poro {

void check_failed(const char* condition, const char* file, int line, const std::string& detail) {
  std::fprintf(stderr, "poro: internal error at %s:%d: %s: %s\n", file, line, condition, detail.c_str());
  std::abort();
}

}  // namespace poro
