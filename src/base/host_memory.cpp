#include "base/host_memory.h"

#include <algorithm>
#include <fstream>
#include <string>

namespace poro {
namespace {

// The value behind a name in a file of lines "name value"; 0 where there is none.
double value_in(const char* path, const std::string& wanted) {
  std::ifstream file(path);
  std::string name, rest;
  for (double value = 0; file >> name >> value && std::getline(file, rest);)
    if (name == wanted) return value;
  return 0;
}

}  // namespace

double available_memory() {
  double available = value_in("/proc/meminfo", "MemAvailable:") * 1024;
  // A container may allow less than the machine has; files that it read count as used there.
  double limit = 0, used = 0;
  if (std::ifstream("/sys/fs/cgroup/memory.max") >> limit &&
      std::ifstream("/sys/fs/cgroup/memory.current") >> used) {
    for (const char* files : {"active_file", "inactive_file"})
      used -= value_in("/sys/fs/cgroup/memory.stat", files);
    available = std::min(available, std::max(limit - used, 0.0));
  }
  return available;
}

}  // namespace poro
