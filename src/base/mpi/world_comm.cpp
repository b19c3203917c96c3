// Ranks as processes that mpirun or srun started: MPI. Between CPU processes it carries everything; counts
// are in blocks of 64 bytes where that fits, because MPI counts in 32 bits.
#define OMPI_SKIP_MPICXX 1  // The C++ bindings were taken out of MPI, and need a library of their own.
#define MPICH_SKIP_MPICXX 1
#include <mpi.h>

#include <chrono>
#include <cstdlib>
#include <thread>

#include "base/comm.h"
#include "base/error.h"

namespace poro {
namespace {

constexpr size_t kBlock = 64;

// MPI's own errors end the process with a message that names call and rank (MPI_ERRORS_ARE_FATAL), so results
// need no check.
class MpiComm final : public Comm {
 public:
  enum class Owns { kComm, kWorld };

  MpiComm(MPI_Comm comm, Owns owns) : comm_(comm), owns_(owns) {
    MPI_Comm_rank(comm, &rank_);
    MPI_Comm_size(comm, &size_);
    MPI_Type_contiguous(kBlock, MPI_BYTE, &block_);
    MPI_Type_commit(&block_);
  }
  ~MpiComm() override {
    MPI_Type_free(&block_);
    if (owns_ == Owns::kComm) MPI_Comm_free(&comm_);
    if (owns_ == Owns::kWorld) MPI_Finalize();
  }

  int rank() const override { return rank_; }
  int size() const override { return size_; }
  void barrier() override { MPI_Barrier(comm_); }

  void all_gather(std::span<const std::byte> part, std::span<std::byte> whole) override {
    const Amount amount = amount_of(part.size());
    const bool is_in_place = part.data() == whole.data() + static_cast<size_t>(rank_) * part.size();
    MPI_Allgather(is_in_place ? MPI_IN_PLACE : part.data(), amount.count, amount.type, whole.data(),
                  amount.count, amount.type, comm_);
  }

  void all_to_all(std::span<const std::byte> from, std::span<std::byte> to) override {
    const Amount amount = amount_of(from.size() / static_cast<size_t>(size_));
    MPI_Alltoall(from.data(), amount.count, amount.type, to.data(), amount.count, amount.type, comm_);
  }

  // Others may wait long for the first rank, which may wait for a person at the keyboard: after a while they
  // sleep in between.
  void broadcast(std::span<std::byte> bytes) override {
    constexpr std::chrono::milliseconds kAwake(20), kNap(1);
    const Amount amount = amount_of(bytes.size());
    MPI_Request request = MPI_REQUEST_NULL;
    MPI_Ibcast(bytes.data(), amount.count, amount.type, 0, comm_, &request);
    const auto start = std::chrono::steady_clock::now();
    for (;;) {
      int is_done = 0;
      MPI_Test(&request, &is_done, MPI_STATUS_IGNORE);
      if (is_done != 0) return;
      if (std::chrono::steady_clock::now() - start > kAwake)
        std::this_thread::sleep_for(kNap);
      else
        std::this_thread::yield();
    }
  }

  std::unique_ptr<Comm> split(int color) override {
    MPI_Comm part = MPI_COMM_NULL;
    MPI_Comm_split(comm_, color, rank_, &part);
    return std::make_unique<MpiComm>(part, Owns::kComm);
  }

  void abort(int exit_code) override { MPI_Abort(comm_, exit_code); }

 private:
  struct Amount {
    int count;
    MPI_Datatype type;
  };
  Amount amount_of(size_t bytes) const {
    const bool is_blocks = bytes % kBlock == 0;
    const size_t count = is_blocks ? bytes / kBlock : bytes;
    CHECK(count <= static_cast<size_t>(INT32_MAX), "{} bytes in one message", bytes);
    return {static_cast<int>(count), is_blocks ? block_ : MPI_BYTE};
  }

  MPI_Comm comm_;
  Owns owns_;
  MPI_Datatype block_ = MPI_DATATYPE_NULL;
  int rank_ = 0, size_ = 1;
};

// Set by the launchers; without one of them, MPI would take a second to find out that it is alone.
bool has_launcher() {
  for (const char* name : {"OMPI_COMM_WORLD_SIZE", "PMIX_RANK", "PMI_RANK"})
    if (std::getenv(name) != nullptr) return true;
  return false;
}

}  // namespace

std::unique_ptr<Comm> world_comm() {
  if (!has_launcher()) return solo_comm();
  int provided = 0;
  MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &provided);
  if (provided < MPI_THREAD_FUNNELED) fail("this MPI cannot be used by a program with threads");
  return std::make_unique<MpiComm>(MPI_COMM_WORLD, MpiComm::Owns::kWorld);
}

}  // namespace poro
