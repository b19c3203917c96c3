// --trace FILE: a timeline of the operations of a command.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "base/device.h"
#include "ops/trace.h"

namespace poro {

void add_trace_option(CLI::App& command, std::string& path);

// Traces a device for as long as this lives; with an empty path it does nothing.
class TraceFile {
 public:
  TraceFile(Device& device, std::string path);
  ~TraceFile();
  TraceFile(const TraceFile&) = delete;
  TraceFile& operator=(const TraceFile&) = delete;

  // Throws Error that names the path.
  void write() const;

 private:
  Device& device_;
  std::string path_;
  Trace trace_;
};

}  // namespace poro
