#include "apps/trace_file.h"

#include "base/file.h"

namespace poro {

void add_trace_option(CLI::App& command, std::string& path) {
  command.add_option(
      "--trace", path,
      "Write a timeline of the operations there, for chrome://tracing or Perfetto; each then runs alone");
}

TraceFile::TraceFile(Device& device, std::string path) : device_(device), path_(std::move(path)) {
  if (!path_.empty()) device_.trace = &trace_;
}

TraceFile::~TraceFile() {
  device_.trace = nullptr;
}

void TraceFile::write() const {
  if (!path_.empty()) write_file_atomic(path_, trace_.timeline());
}

}  // namespace poro
