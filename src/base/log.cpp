#include "base/log.h"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace poro {

LogLevel log_level() {
  const char* variable = std::getenv("PORO_LOG");
  const std::string_view level = variable != nullptr ? variable : "";
  if (level == "quiet") return LogLevel::kQuiet;
  if (level == "warn") return LogLevel::kWarn;
  return LogLevel::kInfo;
}

bool stderr_is_terminal() {
  return ::isatty(STDERR_FILENO) == 1;
}

void log_line(LogLevel level, const std::string& sentence) {
  if (level > log_level()) return;
  const bool is_warning = level == LogLevel::kWarn;
  std::string line = is_warning ? "poro: warning: " : "poro: ";
  if (stderr_is_terminal()) {
    // A progress bar may stand on this line: start over, and erase the rest of it.
    line = is_warning ? "\r\x1b[K\x1b[33mporo: warning:\x1b[0m " : "\r\x1b[Kporo: ";
  }
  line += sentence + "\n";
  std::fwrite(line.data(), 1, line.size(), stderr);
}

}  // namespace poro
