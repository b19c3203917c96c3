// How the tests start several ranks of the program on this machine.
#pragma once

#include <cstdlib>
#include <string>
#include <vector>

namespace poro {

inline constexpr const char* kMpirun = "/usr/bin/mpirun";

// The words before a command that start it as so many ranks.
inline std::vector<std::string> mpirun(int ranks) {
  ::setenv("OMPI_ALLOW_RUN_AS_ROOT", "1", 1);
  ::setenv("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1", 1);
  // Two ranks on one busy core must not wait for each other by spinning.
  ::setenv("OMPI_MCA_mpi_yield_when_idle", "1", 1);
  // All ranks share this machine. Without TCP, whose plugin locks two of its mutexes in either order, the
  // thread sanitizer finds nothing to say of Open MPI. Open MPI never frees what its plugins allocate but
  // unloads the plugins, so no list of known leaks could name them. The same commands on one rank have their
  // leaks looked for.
  return {kMpirun,
          "--oversubscribe",
          "--bind-to",
          "none",
          "--mca",
          "btl",
          "^tcp",
          "-x",
          "LSAN_OPTIONS=detect_leaks=0",
          "-n",
          std::to_string(ranks)};
}

}  // namespace poro
