// Lines for people, on stderr. Coloured only on a terminal; PORO_LOG=warn leaves out what merely informs,
// PORO_LOG=quiet everything. Errors do not pass here: they are thrown, and main prints them whatever PORO_LOG
// says.
#pragma once

#include <fmt/format.h>

#include <string>
#include <utility>

namespace poro {

enum class LogLevel { kQuiet, kWarn, kInfo };

// From PORO_LOG; unset or unknown: kInfo.
LogLevel log_level();

// Whether people watch stderr directly, so that colours and a moving bar make sense.
bool stderr_is_terminal();

// Writes "poro: " and the sentence. Safe from any thread; a line is never torn by another.
void log_line(LogLevel level, const std::string& sentence);

template <class... Args>
void inform(fmt::format_string<Args...> format, Args&&... args) {
  log_line(LogLevel::kInfo, fmt::format(format, std::forward<Args>(args)...));
}

template <class... Args>
void warn(fmt::format_string<Args...> format, Args&&... args) {
  log_line(LogLevel::kWarn, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace poro
