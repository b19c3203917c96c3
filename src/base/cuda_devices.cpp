#include "base/cuda_devices.h"

#include <fmt/format.h>

namespace poro {

std::string describe(const CudaReport& report) {
  if (report.runtime.empty()) return "CUDA: not built in";
  std::string text = "CUDA " + report.runtime;
  if (report.driver.empty()) return text + ": no driver";
  text += ", driver for " + report.driver;
  if (report.is_driver_too_old) return text + ", which is too old";
  if (report.devices.empty()) return text + ": no device";
  for (size_t i = 0; i < report.devices.size(); ++i) {
    const CudaDevice& device = report.devices[i];
    text += fmt::format("\n  cuda:{} {}, {:.0f} GiB, compute capability {}", i, device.name,
                        static_cast<double>(device.memory_bytes) / (1 << 30), device.compute_capability);
  }
  return text;
}

}  // namespace poro
