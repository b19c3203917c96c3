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
  std::vector<std::string> words = {kMpirun, "--oversubscribe", "--bind-to", "none"};
  // They share this machine, so memory is all they need to talk through. Of the other ways Open MPI would
  // look at, TCP locks two of its mutexes in either order, and libfabric watches threads that the thread
  // sanitizer has already forgotten.
  words.insert(words.end(), {"--mca", "pml", "ob1", "--mca", "btl", "self,vader"});
  // Open MPI never frees what its plugins allocate but unloads the plugins, so no list of known leaks could
  // name them. The same commands on one rank have their leaks looked for.
  words.insert(words.end(), {"-x", "LSAN_OPTIONS=detect_leaks=0", "-n", std::to_string(ranks)});
  return words;
}

}  // namespace poro
