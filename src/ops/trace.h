// What ran and how long it took: the door adds a row for every operation when a device has a trace.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace poro {

class Trace {
 public:
  struct Total {
    int64_t calls = 0;
    double flops = 0, bytes = 0, seconds = 0;
  };

  void add(std::string_view op, double flops, double bytes, std::chrono::nanoseconds time) {
    Total& total = totals_[std::string(op)];
    ++total.calls;
    total.flops += flops;
    total.bytes += bytes;
    total.seconds += std::chrono::duration<double>(time).count();
  }
  const std::map<std::string, Total>& totals() const { return totals_; }

 private:
  std::map<std::string, Total> totals_;
};

}  // namespace poro
