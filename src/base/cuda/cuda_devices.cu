#include <cuda_runtime.h>
#include <fmt/format.h>

#include "base/cuda_devices.h"

namespace poro {
namespace {

// CUDA codes its versions as 1000 * major + 10 * minor.
std::string version_text(int version) {
  return fmt::format("{}.{}", version / 1000, version % 1000 / 10);
}

}  // namespace

CudaReport cuda_report() {
  CudaReport report;
  int version = 0;
  if (cudaRuntimeGetVersion(&version) == cudaSuccess) report.runtime = version_text(version);
  if (cudaDriverGetVersion(&version) == cudaSuccess && version > 0) report.driver = version_text(version);
  int count = 0;
  const cudaError_t status = cudaGetDeviceCount(&count);
  report.is_driver_too_old = status == cudaErrorInsufficientDriver && !report.driver.empty();
  if (status != cudaSuccess) return report;  // No driver or no device: nothing to list.
  for (int i = 0; i < count; ++i) {
    cudaDeviceProp properties{};
    if (cudaGetDeviceProperties(&properties, i) != cudaSuccess) continue;
    report.devices.push_back(
        {.name = properties.name,
         .memory_bytes = properties.totalGlobalMem,
         .compute_capability = fmt::format("{}.{}", properties.major, properties.minor)});
  }
  return report;
}

}  // namespace poro
