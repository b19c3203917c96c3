// The NVIDIA GPUs of this machine. Two implementations, chosen when linking: cuda/ asks the CUDA runtime,
// nocuda/ stands in for it in builds without CUDA.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace poro {

struct CudaDevice {
  std::string name = "";
  uint64_t memory_bytes = 0;
  std::string compute_capability = "";  // "9.0"
};

struct CudaReport {
  std::string runtime = "";        // "13.0": what this program was built with; empty without CUDA.
  std::string driver = "";         // The newest CUDA the driver can serve; empty without a driver.
  bool is_driver_too_old = false;  // For this program: then no device is listed.
  std::vector<CudaDevice> devices = {};
};

CudaReport cuda_report();

// For `poro --version`: "CUDA 13.0: no device", or one line per device.
std::string describe(const CudaReport& report);

}  // namespace poro
