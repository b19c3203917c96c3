#include "ops/trace.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "base/stopwatch.h"

namespace poro {

void Trace::add(const Event& event) {
  events_.push_back(event);
  Total& total = totals_[std::string(event.op)];
  ++total.calls;
  total.flops += event.flops;
  total.bytes += event.bytes;
  total.seconds += event.seconds;
}

std::string Trace::timeline() const {
  std::string json = "{\"displayTimeUnit\":\"ms\",\"traceEvents\":[";
  for (size_t i = 0; i < events_.size(); ++i) {
    const Event& e = events_[i];
    // Times in microseconds.
    fmt::format_to(std::back_inserter(json),
                   "{}\n{{\"name\":\"{}\",\"ph\":\"X\",\"pid\":0,\"tid\":0,\"ts\":{:.3f},\"dur\":{:.3f},"
                   "\"args\":{{\"gflop\":{:.6g},\"megabytes\":{:.6g},"
                   "\"gflop_per_second\":{:.6g},\"gb_per_second\":{:.6g}}}}}",
                   i == 0 ? "" : ",", e.op, e.start * 1e6, e.seconds * 1e6, e.flops / 1e9, e.bytes / 1e6,
                   e.flops / e.seconds / 1e9, e.bytes / e.seconds / 1e9);
  }
  return json + "\n]}\n";
}

OpTimer::OpTimer(Device& device) : device_(device) {
  if (device.is_cuda()) watch_ = std::make_unique<gpu::Stopwatch>(device.cuda_backend());
  device.synchronize();
  start_ = device.trace->now();
  if (watch_) watch_->start();
}

OpTimer::~OpTimer() = default;

void OpTimer::stop(std::string_view op, double flops, double bytes) {
  constexpr double kClockTick = 1e-9;  // An operation takes some time, whatever the clock says.
  double seconds = watch_ ? watch_->stop() : 0;
  device_.synchronize();
  if (!watch_) seconds = device_.trace->now() - start_;
  device_.trace->add(
      {.op = op, .start = start_, .seconds = std::max(seconds, kClockTick), .flops = flops, .bytes = bytes});
}

}  // namespace poro
