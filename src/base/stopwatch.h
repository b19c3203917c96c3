// The time a GPU itself takes for what lies between two points of its stream.
#pragma once

#include "base/device.h"

namespace poro::gpu {

class Stopwatch {
 public:
  explicit Stopwatch(Cuda& cuda);
  ~Stopwatch();
  Stopwatch(const Stopwatch&) = delete;
  Stopwatch& operator=(const Stopwatch&) = delete;

  void start();
  // Seconds since start, once all that came between is done.
  double stop();

 private:
  // A build without CUDA touches none of these, which clang warns of.
  [[maybe_unused]] Cuda* cuda_;
  [[maybe_unused]] void *begin_ = nullptr, *end_ = nullptr;  // Events.
};

}  // namespace poro::gpu
