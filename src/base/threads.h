// A pool of threads that all run one body at once and meet at its end: the only parallelism compute kernels
// use. Work is split in a fixed way, so results never depend on timing. Workers spin for a moment between
// calls, because a decode step is a few hundred short ones, and sleep when none comes.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <thread>
#include <vector>

namespace poro {

// The processors this process may run on.
int available_threads();

class ThreadPool {
 public:
  // `threads` in all, the caller of run() included; 0: available_threads().
  explicit ThreadPool(int threads = 0);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int size() const { return static_cast<int>(workers_.size()) + 1; }

  // Calls body(thread) for every thread in [0, size()) at once and returns when all have returned. Not
  // reentrant; the body must not throw.
  void run(const std::function<void(int)>& body);

 private:
  void work(int thread);

  std::vector<std::thread> workers_;
  const std::function<void(int)>* body_ = nullptr;
  std::atomic<uint32_t> generation_{0};  // Counts calls; a change wakes the workers.
  std::atomic<int> unfinished_{0};
  std::atomic<bool> is_stopping_{false};
};

struct Range {
  int64_t begin = 0, end = 0;
  int64_t size() const { return end - begin; }
};

// The share of [0, total) that belongs to `part` of `parts`, in multiples of `grain`: contiguous, in order,
// as even as can be.
Range share(int64_t total, int part, int parts, int64_t grain = 1);

// body(Range) on every thread for its share of [0, total).
template <class Body>
void parallel_for(ThreadPool& pool, int64_t total, int64_t grain, const Body& body) {
  if (pool.size() == 1 || total <= grain) {
    if (total > 0) body(Range{0, total});
    return;
  }
  pool.run([&](int thread) {
    const Range range = share(total, thread, pool.size(), grain);
    if (range.size() > 0) body(range);
  });
}

}  // namespace poro
