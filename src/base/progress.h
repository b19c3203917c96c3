// Progress of long work on stderr: on a terminal one line that is redrawn, otherwise a plain line every ten
// seconds. Counting is one atomic addition, so every thread of a loop may do it.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>

namespace poro {

enum class ProgressUnit { kItems, kBytes };

class Progress {
 public:
  // `total` 0: unknown, so no share and no time left are shown.
  Progress(std::string label, uint64_t total, ProgressUnit unit);
  // Writes the final line.
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // Work done now. May be called from several threads.
  void add(uint64_t amount);
  // Work found done already (the first half of a resumed download): it counts as done, but not for the rate.
  void skip(uint64_t amount);

 private:
  using Clock = std::chrono::steady_clock;

  void draw();

  const std::string label_;
  const uint64_t total_;
  const ProgressUnit unit_;
  const Clock::time_point start_ = Clock::now();
  std::atomic<uint64_t> done_{0}, skipped_{0};
  std::atomic<int64_t> next_draw_ms_;  // Since start_; what keeps most calls of add() from drawing.
  std::mutex drawing_;
};

// What a Progress shows, apart from where it shows it.
struct ProgressState {
  std::string_view label;
  uint64_t done = 0, skipped = 0, total = 0;
  double seconds = 0;
  ProgressUnit unit = ProgressUnit::kItems;
};

// "model.safetensors: 45 %, 1.5 of 3.4 GB, 35.0 MB/s, 0:54 left".
std::string progress_line(const ProgressState& state);
// The same with a bar, in at most `columns` characters of a terminal.
std::string progress_bar(const ProgressState& state, size_t columns);

}  // namespace poro
