// What people and programs see of a step: a line on stderr with loss, rate, speed and time left, and the JSON
// of metrics.jsonl.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "train/trainer.h"

namespace poro {

// Floating-point operations per second that the machine can do in this precision, measured; 0 where there is
// no such measure.
double peak_flops(Device& device, Precision precision);

class TrainingConsole {
 public:
  // `peak`: of all ranks together.
  TrainingConsole(int64_t steps_left, int64_t steps, double peak)
      : steps_left_(steps_left), steps_(steps), peak_(peak) {}

  // Counts a step; then perhaps shows where the run is. On a terminal the line is drawn over.
  void add(const StepReport& report, double seconds);
  void show(const StepReport& report);

 private:
  int64_t steps_left_, steps_;
  double peak_;
  double seconds_ = 0, flops_ = 0;  // Of the steps since the last line
  int64_t tokens_ = 0, counted_steps_ = 0;
  double seconds_per_step_ = 0;
};

// "0:12:05"
std::string duration_text(double seconds);

nlohmann::ordered_json metrics_line(const StepReport& report, int64_t tokens_so_far, double seconds,
                                    const std::vector<std::string>& sources);
nlohmann::ordered_json validation_line(const StepReport& report, const std::vector<std::string>& sources);

}  // namespace poro
