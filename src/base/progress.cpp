#include "base/progress.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

#include "base/log.h"

namespace poro {
namespace {

constexpr int64_t kRedrawMs = 100;
constexpr int64_t kPlainLineMs = 10'000;
constexpr double kMinSeconds = 0.5;  // Before this a rate is noise.

// A count in the largest unit that keeps it at or above one; counts of items stay whole.
struct Scale {
  double divisor = 1;
  std::string_view name;
};

Scale scale_for(double value, ProgressUnit unit) {
  if (unit == ProgressUnit::kItems) return {};
  constexpr std::array<Scale, 4> kScales = {{{1, " B"}, {1e3, " kB"}, {1e6, " MB"}, {1e9, " GB"}}};
  size_t chosen = 0;
  while (chosen + 1 < kScales.size() && value >= kScales[chosen + 1].divisor) ++chosen;
  return kScales[chosen];
}

std::string scaled(double value, const Scale& scale) {
  return scale.divisor == 1 ? fmt::format("{:.0f}", value) : fmt::format("{:.1f}", value / scale.divisor);
}

std::string duration(double seconds) {
  const auto whole = static_cast<int64_t>(std::ceil(seconds));
  if (whole >= 3600) return fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
  return fmt::format("{}:{:02}", whole / 60, whole % 60);
}

double share_done(const ProgressState& state) {
  return std::min(1.0, static_cast<double>(state.done) / static_cast<double>(state.total));
}

// "1.5 of 3.4 GB, 35.0 MB/s, 0:54 left", with what is known of it.
std::string amounts(const ProgressState& state) {
  const auto done = static_cast<double>(state.done), total = static_cast<double>(state.total);
  const Scale scale = scale_for(std::max(done, total), state.unit);
  std::string text = scaled(done, scale);
  if (state.total > 0) text += " of " + scaled(total, scale);
  text += scale.name;
  const double worked = static_cast<double>(state.done - state.skipped);
  if (state.seconds < kMinSeconds || worked <= 0) return text;
  const double rate = worked / state.seconds;
  const Scale rate_scale = scale_for(rate, state.unit);
  text += state.unit == ProgressUnit::kItems && rate < 10 ? fmt::format(", {:.2f}", rate)
                                                          : ", " + scaled(rate, rate_scale);
  text += fmt::format("{}/s", rate_scale.name);
  if (state.done < state.total) text += fmt::format(", {} left", duration((total - done) / rate));
  return text;
}

size_t terminal_columns() {
  winsize size{};
  if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 80;
  return size.ws_col;
}

}  // namespace

std::string progress_line(const ProgressState& state) {
  const std::string share = state.total > 0 ? fmt::format("{:.0f} %, ", 100 * share_done(state)) : "";
  return fmt::format("{}: {}{}", state.label, share, amounts(state));
}

std::string progress_bar(const ProgressState& state, size_t columns) {
  constexpr size_t kMaxWidth = 30, kMinWidth = 5;
  const std::string left = std::string(state.label) + " ", right = " " + amounts(state);
  const size_t used = left.size() + right.size() + 2;
  std::string text;
  if (state.total == 0 || used + kMinWidth > columns) {
    text = progress_line(state);
  } else {
    const size_t width = std::min(kMaxWidth, columns - used);
    const auto filled = static_cast<size_t>(share_done(state) * static_cast<double>(width));
    text = left + "[" + std::string(filled, '=') + std::string(width - filled, ' ') + "]" + right;
  }
  if (text.size() > columns) text.resize(columns);
  return text;
}

Progress::Progress(std::string label, uint64_t total, ProgressUnit unit)
    : label_(std::move(label)),
      total_(total),
      unit_(unit),
      next_draw_ms_(stderr_is_terminal() ? kRedrawMs : kPlainLineMs) {}

Progress::~Progress() {
  draw();
  if (stderr_is_terminal() && log_level() >= LogLevel::kInfo) std::fputc('\n', stderr);
}

void Progress::add(uint64_t amount) {
  done_.fetch_add(amount, std::memory_order_relaxed);
  const auto now_ms = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - start_).count();
  if (now_ms < next_draw_ms_.load(std::memory_order_relaxed)) return;
  const std::unique_lock lock(drawing_, std::try_to_lock);
  if (!lock) return;  // Another thread is drawing just this.
  next_draw_ms_.store(now_ms + (stderr_is_terminal() ? kRedrawMs : kPlainLineMs), std::memory_order_relaxed);
  draw();
}

void Progress::skip(uint64_t amount) {
  skipped_.fetch_add(amount, std::memory_order_relaxed);
  done_.fetch_add(amount, std::memory_order_relaxed);
}

void Progress::draw() {
  if (log_level() < LogLevel::kInfo) return;
  const uint64_t skipped = skipped_.load(std::memory_order_relaxed);
  const ProgressState state{.label = label_,
                            .done = std::max(skipped, done_.load(std::memory_order_relaxed)),
                            .skipped = skipped,
                            .total = total_,
                            .seconds = std::chrono::duration<double>(Clock::now() - start_).count(),
                            .unit = unit_};
  const std::string text = stderr_is_terminal() ? "\r\x1b[K" + progress_bar(state, terminal_columns() - 1)
                                                : progress_line(state) + "\n";
  std::fwrite(text.data(), 1, text.size(), stderr);
}

}  // namespace poro
