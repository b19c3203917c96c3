#include "base/version.h"

#include "version.inc"  // Written by cmake/Version.cmake at every build.

namespace poro {

std::string version() {
  return PORO_VERSION " (" PORO_COMMIT ")";
}

}  // namespace poro
