// What a Progress shows, as text, and that counting from many threads loses nothing.
#include "base/progress.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace poro {
namespace {

TEST(Progress, LineShowsShareAmountRateAndTimeLeft) {
  EXPECT_EQ(progress_line({.label = "model.safetensors",
                           .done = 1'530'000'000,
                           .total = 3'400'000'000,
                           .seconds = 43.7,
                           .unit = ProgressUnit::kBytes}),
            "model.safetensors: 45 %, 1.5 of 3.4 GB, 35.0 MB/s, 0:54 left");
  EXPECT_EQ(progress_line({.label = "lines", .done = 30, .total = 7230, .seconds = 3}),
            "lines: 0 %, 30 of 7230, 10/s, 12:00 left");
  EXPECT_EQ(progress_line({.label = "lines", .done = 3, .total = 10803, .seconds = 3}),
            "lines: 0 %, 3 of 10803, 1.00/s, 3:00:00 left");
}

TEST(Progress, LineLeavesOutWhatIsNotKnown) {
  EXPECT_EQ(progress_line({.label = "a", .done = 5, .total = 10, .seconds = 0.1}), "a: 50 %, 5 of 10");
  EXPECT_EQ(progress_line({.label = "a", .done = 1500, .seconds = 1, .unit = ProgressUnit::kBytes}),
            "a: 1.5 kB, 1.5 kB/s");
  EXPECT_EQ(progress_line({.label = "a", .done = 10, .total = 10, .seconds = 1}), "a: 100 %, 10 of 10, 10/s");
}

TEST(Progress, WhatWasSkippedDoesNotCountForTheRate) {
  EXPECT_EQ(progress_line({.label = "a", .done = 60, .skipped = 50, .total = 100, .seconds = 1}),
            "a: 60 %, 60 of 100, 10/s, 0:04 left");
  EXPECT_EQ(progress_line({.label = "a", .done = 50, .skipped = 50, .total = 100, .seconds = 1}),
            "a: 50 %, 50 of 100");
}

TEST(Progress, BarFillsTheColumnsItHas) {
  const ProgressState half{.label = "a", .done = 5, .total = 10, .seconds = 0.1};
  EXPECT_EQ(progress_bar(half, 80), "a [===============               ] 5 of 10");
  EXPECT_EQ(progress_bar(half, 22), "a [=====     ] 5 of 10");
  EXPECT_EQ(progress_bar(half, 12), "a: 50 %, 5 o");
  EXPECT_EQ(progress_bar({.label = "a", .done = 20, .total = 10}, 22), "a [=========] 20 of 10");
}

TEST(Progress, CountsFromManyThreads) {
  testing::internal::CaptureStderr();
  {
    Progress progress("work", 4000, ProgressUnit::kItems);
    std::vector<std::thread> threads;
    for (int thread = 0; thread < 4; ++thread)
      threads.emplace_back([&] {
        for (int i = 0; i < 1000; ++i) progress.add(1);
      });
    for (std::thread& thread : threads) thread.join();
  }
  const std::string written = testing::internal::GetCapturedStderr();
  EXPECT_EQ(written.substr(0, written.find(',')), "work: 100 %") << written;
  EXPECT_NE(written.find("4000 of 4000"), std::string::npos) << written;
}

}  // namespace
}  // namespace poro
