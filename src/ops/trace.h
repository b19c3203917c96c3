// What ran, when, and how long it took: the door adds an event for every operation when a device has a trace.
// Each operation then runs alone, between two looks at the clock: the times are its own, but the gaps between
// are wider than without a trace.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/device.h"

namespace poro {

namespace gpu {
class Stopwatch;
}

class Trace {
 public:
  struct Event {
    std::string_view op;    // A literal.
    double start, seconds;  // Since the trace was made; of the operation.
    double flops, bytes;
  };
  struct Total {
    int64_t calls = 0;
    double flops = 0, bytes = 0, seconds = 0;
  };

  double now() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count();
  }
  void add(const Event& event);
  const std::map<std::string, Total>& totals() const { return totals_; }
  // The events as JSON that chrome://tracing and Perfetto open.
  std::string timeline() const;

 private:
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
  std::vector<Event> events_;
  std::map<std::string, Total> totals_;
};

// Times one operation of a device that has a trace: from here to `stop`.
class OpTimer {
 public:
  explicit OpTimer(Device& device);
  ~OpTimer();
  void stop(std::string_view op, double flops, double bytes);

 private:
  Device& device_;
  std::unique_ptr<gpu::Stopwatch> watch_;  // The GPU's own time, without the launch.
  double start_;
};

}  // namespace poro
