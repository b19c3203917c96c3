// What `poro --version` says of the GPUs; the report itself is asked for on every machine and must not fail
// without one.
#include "base/cuda_devices.h"

#include <gtest/gtest.h>

namespace poro {
namespace {

TEST(CudaDevices, DescribesWhatIsThere) {
  EXPECT_EQ(describe({}), "CUDA: not built in");
  EXPECT_EQ(describe({.runtime = "13.0"}), "CUDA 13.0: no driver");
  EXPECT_EQ(describe({.runtime = "13.0", .driver = "12.8"}), "CUDA 13.0, driver for 12.8: no device");
  EXPECT_EQ(
      describe(
          {.runtime = "13.0",
           .driver = "13.0",
           .devices = {{.name = "GPU A", .memory_bytes = uint64_t{80} << 30, .compute_capability = "8.0"},
                       {.name = "GPU B", .memory_bytes = uint64_t{141} << 30, .compute_capability = "9.0"}}}),
      "CUDA 13.0, driver for 13.0\n"
      "  cuda:0 GPU A, 80 GiB, compute capability 8.0\n"
      "  cuda:1 GPU B, 141 GiB, compute capability 9.0");
}

TEST(CudaDevices, ReportsThisMachine) {
  const CudaReport report = cuda_report();
#if defined(PORO_CUDA)
  EXPECT_FALSE(report.runtime.empty());
#else
  EXPECT_TRUE(report.runtime.empty());
  EXPECT_TRUE(report.devices.empty());
#endif
  for (const CudaDevice& device : report.devices) {
    EXPECT_FALSE(device.name.empty());
    EXPECT_GT(device.memory_bytes, uint64_t{1} << 30);
  }
}

}  // namespace
}  // namespace poro
