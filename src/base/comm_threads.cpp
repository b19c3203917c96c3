// Ranks as threads of one process: a call leaves a pointer where all can see it, waits for the others, reads
// theirs, and waits again before anyone moves on.
#include <condition_variable>
#include <cstring>
#include <exception>
#include <map>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <vector>

#include "base/comm.h"
#include "base/error.h"

namespace poro {
namespace {

struct RankStopped : std::runtime_error {
  RankStopped() : std::runtime_error("another rank stopped") {}
};

// What the ranks of one communicator share.
class Board {
 public:
  explicit Board(int ranks) : ranks_(ranks), posted_(static_cast<size_t>(ranks)) {}

  void wait() {
    std::unique_lock lock(mutex_);
    const int64_t generation = generation_;
    if (++arrived_ == ranks_) {
      arrived_ = 0;
      ++generation_;
      changed_.notify_all();
    } else {
      changed_.wait(lock, [&] { return generation_ != generation || is_stopped_; });
    }
    if (is_stopped_) throw RankStopped();
  }

  // Wakes whoever waits here or below, and makes every later call throw.
  void stop() {
    const std::lock_guard lock(mutex_);
    is_stopped_ = true;
    changed_.notify_all();
    for (const auto& [color, board] : parts_) board->stop();
  }

  void post(int rank, std::span<const std::byte> bytes) { posted_[static_cast<size_t>(rank)] = bytes; }
  std::span<const std::byte> posted(int rank) const { return posted_[static_cast<size_t>(rank)]; }
  int ranks() const { return ranks_; }

  // The board of one colour among the ranks that split now; the first to ask makes it.
  std::shared_ptr<Board> part(int color, int ranks) {
    const std::lock_guard lock(mutex_);
    std::shared_ptr<Board>& board = parts_[{splits_, color}];
    if (board == nullptr) board = std::make_shared<Board>(ranks);
    return board;
  }
  void finish_split() {
    const std::lock_guard lock(mutex_);
    ++splits_;
  }

 private:
  const int ranks_;
  std::mutex mutex_;
  std::condition_variable changed_;
  int arrived_ = 0;
  int64_t generation_ = 0, splits_ = 0;
  bool is_stopped_ = false;
  std::vector<std::span<const std::byte>> posted_;
  std::map<std::pair<int64_t, int>, std::shared_ptr<Board>> parts_;
};

class ThreadComm final : public Comm {
 public:
  ThreadComm(std::shared_ptr<Board> board, int rank) : board_(std::move(board)), rank_(rank) {}

  int rank() const override { return rank_; }
  int size() const override { return board_->ranks(); }
  void barrier() override { board_->wait(); }

  void all_gather(std::span<const std::byte> part, std::span<std::byte> whole) override {
    CHECK(part.size() * static_cast<size_t>(size()) == whole.size(), "{} of {} bytes", part.size(),
          whole.size());
    exchange(part, [&](int from, std::span<const std::byte> bytes) {
      std::byte* to = whole.data() + static_cast<size_t>(from) * part.size();
      if (to != bytes.data()) std::memcpy(to, bytes.data(), bytes.size());
    });
  }

  void all_to_all(std::span<const std::byte> from, std::span<std::byte> to) override {
    const size_t part = from.size() / static_cast<size_t>(size());
    exchange(from, [&](int other, std::span<const std::byte> bytes) {
      std::memcpy(to.data() + static_cast<size_t>(other) * part,
                  bytes.data() + static_cast<size_t>(rank_) * part, part);
    });
  }

  void broadcast(std::span<std::byte> bytes) override {
    exchange(bytes, [&](int from, std::span<const std::byte> theirs) {
      if (from == 0 && rank_ != 0) std::memcpy(bytes.data(), theirs.data(), bytes.size());
    });
  }

  std::unique_ptr<Comm> split(int color) override {
    std::vector<int> colors(static_cast<size_t>(size()));
    all_gather(std::as_bytes(std::span(&color, 1)), std::as_writable_bytes(std::span(colors)));
    int ranks = 0, my_rank = 0;
    for (int other = 0; other < size(); ++other) {
      if (colors[static_cast<size_t>(other)] != color) continue;
      if (other < rank_) ++my_rank;
      ++ranks;
    }
    auto part = std::make_unique<ThreadComm>(board_->part(color, ranks), my_rank);
    board_->wait();
    if (rank_ == 0) board_->finish_split();
    board_->wait();
    return part;
  }

  void abort(int) override { board_->stop(); }

 private:
  template <class Read>
  void exchange(std::span<const std::byte> mine, const Read& read) {
    board_->post(rank_, mine);
    board_->wait();
    for (int from = 0; from < size(); ++from) read(from, board_->posted(from));
    board_->wait();
  }

  std::shared_ptr<Board> board_;
  int rank_;
};

}  // namespace

void run_ranks(int ranks, const std::function<void(Comm& comm)>& body) {
  const auto board = std::make_shared<Board>(ranks);
  std::mutex mutex;
  std::exception_ptr first;
  std::vector<std::thread> threads;
  threads.reserve(static_cast<size_t>(ranks));
  for (int rank = 0; rank < ranks; ++rank)
    threads.emplace_back([&, rank] {
      ThreadComm comm(board, rank);
      try {
        body(comm);
      } catch (const RankStopped&) {  // The rank that stopped first says why.
      } catch (...) {
        const std::lock_guard lock(mutex);
        if (first == nullptr) first = std::current_exception();
        board->stop();
      }
    });
  for (std::thread& thread : threads) thread.join();
  if (first != nullptr) std::rethrow_exception(first);
}

}  // namespace poro
