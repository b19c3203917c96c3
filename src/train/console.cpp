#include "train/console.h"

#include <cmath>
#include <cstdio>

#include "base/log.h"
#include "ops/cpu/peak.h"
#include "ops/gpu_limits.h"

namespace poro {
namespace {

using Json = nlohmann::ordered_json;

void add_preferences(const StepReport& report, Json& line) {
  if (!report.preferences) return;
  const StepReport::Preferences& p = *report.preferences;
  line["rewards_chosen"] = p.rewards_chosen;
  line["rewards_rejected"] = p.rewards_rejected;
  line["margin"] = p.rewards_chosen - p.rewards_rejected;
  line["accuracy"] = p.accuracy;
  line["logps_chosen"] = p.logps_chosen;
  line["logps_rejected"] = p.logps_rejected;
}

void add_sources(const StepReport& report, const std::vector<std::string>& sources, Json& line) {
  if (sources.size() < 2) return;
  Json losses = Json::object();
  for (size_t i = 0; i < sources.size(); ++i)
    if (!std::isnan(report.source_loss[i])) losses[sources[i]] = report.source_loss[i];
  line["loss_by_source"] = losses;
}

}  // namespace

double peak_flops(Device& device, Precision precision) {
  if (device.is_reference()) return 0;
  if (device.is_cuda()) return gpu_product_rate(device);
  return peak_rate(device.cpu_backend(), precision == Precision::kBf16 ? Unit::kBf16 : Unit::kF32);
}

std::string duration_text(double seconds) {
  const auto whole = static_cast<int64_t>(std::llround(std::max(seconds, 0.0)));
  return fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
}

void TrainingConsole::add(const StepReport& report, double seconds) {
  // The first step of a process warms caches up; it would spoil the estimate for a while.
  constexpr double kMemory = 0.9;
  seconds_per_step_ = counted_steps_ <= 1 ? seconds : kMemory * seconds_per_step_ + (1 - kMemory) * seconds;
  ++counted_steps_;
  seconds_ += seconds;
  tokens_ += report.tokens;
  flops_ += report.flops;
}

void TrainingConsole::show(const StepReport& report) {
  std::string line = fmt::format("step {} of {}: loss {:.4f}, rate {:.3g}, norm {:.3g}, {:.0f} tokens/s",
                                 report.step + 1, steps_, report.loss, report.learning_rate, report.grad_norm,
                                 static_cast<double>(tokens_) / seconds_);
  if (report.preferences)
    line += fmt::format(", margin {:.4f}, accuracy {:.2f}",
                        report.preferences->rewards_chosen - report.preferences->rewards_rejected,
                        report.preferences->accuracy);
  if (peak_ > 0) line += fmt::format(", {:.1f} % of peak", 100 * flops_ / seconds_ / peak_);
  const int64_t left = steps_left_ - counted_steps_;
  line += fmt::format(", {} left", duration_text(seconds_per_step_ * static_cast<double>(left)));
  seconds_ = flops_ = 0;
  tokens_ = 0;
  if (!stderr_is_terminal() || log_level() < LogLevel::kInfo) return log_line(LogLevel::kInfo, line);
  line = "\r\x1b[K" + line + (left == 0 ? "\n" : "");
  std::fwrite(line.data(), 1, line.size(), stderr);
}

Json metrics_line(const StepReport& report, int64_t tokens_so_far, double seconds,
                  const std::vector<std::string>& sources) {
  Json line = {{"step", report.step},
               {"loss", report.loss},
               {"grad_norm", report.grad_norm},
               {"lr", report.learning_rate},
               {"tokens", tokens_so_far},
               {"tokens_per_second", static_cast<double>(report.tokens) / seconds},
               {"seconds", seconds},
               {"targets", report.targets}};
  if (report.is_skipped) line["skipped"] = true;
  add_preferences(report, line);
  add_sources(report, sources, line);
  return line;
}

Json validation_line(const StepReport& report, const std::vector<std::string>& sources) {
  Json line = {
      {"event", "validation"}, {"step", report.step}, {"loss", report.loss}, {"targets", report.targets}};
  add_preferences(report, line);
  add_sources(report, sources, line);
  return line;
}

}  // namespace poro
