// The pool under stress (most telling under the tsan preset), and the shares it hands out.
#include "base/threads.h"

#include <gtest/gtest.h>

#include <chrono>
#include <numeric>

namespace poro {
namespace {

TEST(ThreadPool, EveryThreadRunsTheBodyOnceAndItsWritesAreSeen) {
  for (const int threads : {1, 2, 3, 8}) {
    ThreadPool pool(threads);
    ASSERT_EQ(pool.size(), threads);
    std::vector<int64_t> calls(
        static_cast<size_t>(threads));  // Plain integers: a missing barrier is a data race.
    constexpr int kRuns = 2000;
    for (int run = 0; run < kRuns; ++run) {
      pool.run([&](int thread) { ++calls[static_cast<size_t>(thread)]; });
      ASSERT_EQ(std::accumulate(calls.begin(), calls.end(), int64_t{0}), int64_t{threads} * (run + 1));
    }
    for (const int64_t count : calls) EXPECT_EQ(count, kRuns);
  }
}

TEST(ThreadPool, WakesWorkersThatFellAsleep) {
  ThreadPool pool(4);
  std::vector<int> calls(4);
  for (int run = 0; run < 20; ++run) {
    std::this_thread::sleep_for(std::chrono::milliseconds(3));
    pool.run([&](int thread) {
      // Uneven work: now the caller waits for a worker, now a worker for the caller.
      if ((thread + run) % 3 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
      ++calls[static_cast<size_t>(thread)];
    });
  }
  EXPECT_EQ(calls, std::vector<int>(4, 20));
}

TEST(ThreadPool, StartsAndStopsWithoutWork) {
  for (int i = 0; i < 100; ++i) ThreadPool pool(3);
  for (int i = 0; i < 100; ++i) {
    ThreadPool pool(3);
    pool.run([](int) {});
  }
}

TEST(ThreadPool, PoolsOfSeveralOwnersDoNotDisturbEachOther) {
  std::vector<std::thread> owners;
  std::vector<int64_t> sums(3);
  for (size_t owner = 0; owner < sums.size(); ++owner)
    owners.emplace_back([&sum = sums[owner]] {
      ThreadPool pool(2);
      std::vector<int64_t> values(1000, 1);
      for (int run = 0; run < 200; ++run)
        parallel_for(pool, 1000, 16, [&](Range range) {
          for (int64_t i = range.begin; i < range.end; ++i) values[static_cast<size_t>(i)] += i;
        });
      sum = std::accumulate(values.begin(), values.end(), int64_t{0});
    });
  for (std::thread& owner : owners) owner.join();
  EXPECT_EQ(sums, std::vector<int64_t>(3, 1000 + 200 * 999 * 500));
}

TEST(ThreadPool, UsesTheProcessorsOfThisProcess) {
  EXPECT_GE(available_threads(), 1);
  EXPECT_EQ(ThreadPool().size(), available_threads());
}

TEST(Share, CoversEverythingOnceInMultiplesOfTheGrain) {
  for (const int64_t total : {0, 1, 7, 64, 100, 4096})
    for (const int parts : {1, 2, 3, 7, 16})
      for (const int64_t grain : {1, 4, 32}) {
        int64_t at = 0, smallest = total, largest = 0;
        for (int part = 0; part < parts; ++part) {
          const Range range = share(total, part, parts, grain);
          ASSERT_EQ(range.begin, at) << total << " " << part << "/" << parts << " grain " << grain;
          ASSERT_TRUE(range.begin % grain == 0 || range.begin == total);
          at = range.end;
          smallest = std::min(smallest, range.size());
          largest = std::max(largest, range.size());
        }
        EXPECT_EQ(at, total);
        EXPECT_LE(largest - smallest, 2 * grain) << total << " in " << parts << " parts of grain " << grain;
      }
}

TEST(ParallelFor, RunsSmallWorkOnTheCallerAndNothingForNothing) {
  ThreadPool pool(4);
  int calls = 0;
  parallel_for(pool, 0, 1, [&](Range) { ++calls; });
  EXPECT_EQ(calls, 0);
  const std::thread::id caller = std::this_thread::get_id();
  parallel_for(pool, 8, 8, [&](Range range) {
    EXPECT_EQ(std::this_thread::get_id(), caller);
    EXPECT_EQ(range.size(), 8);
  });
}

}  // namespace
}  // namespace poro
