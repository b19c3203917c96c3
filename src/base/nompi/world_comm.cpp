// Without MPI there is one rank, and a launcher that expects more is told so.
#include <cstdlib>

#include "base/comm.h"
#include "base/error.h"

namespace poro {

std::unique_ptr<Comm> world_comm() {
  const char* ranks = std::getenv("OMPI_COMM_WORLD_SIZE");
  if (ranks != nullptr && std::atoi(ranks) > 1)
    fail("this poro was built without MPI and cannot run on {} ranks; install libopenmpi-dev and build again",
         ranks);
  return solo_comm();
}

}  // namespace poro
