// The three ways something goes wrong. Input from outside: throw Error with one sentence (what, where, what
// to try), caught once, in main or at a request's border. A bug of ours: CHECK, which prints and aborts in
// every build. The machine failing at start is an Error too; later it is a CHECK with the call's name.
#pragma once

#include <fmt/format.h>

#include <stdexcept>
#include <string>
#include <utility>

namespace poro {

// Bad input from outside. `what()` is one sentence without a trailing newline.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Throws Error with a formatted sentence.
template <class... Args>
[[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args) {
  throw Error(fmt::format(format, std::forward<Args>(args)...));
}

// Prints the failed condition, its place and the detail to stderr and aborts.
[[noreturn]] void check_failed(const char* condition, const char* file, int line, const std::string& detail);

#define CHECK(condition, ...)                                                           \
  do {                                                                                  \
    if (!(condition)) [[unlikely]]                                                      \
      ::poro::check_failed(#condition, __FILE__, __LINE__, ::fmt::format(__VA_ARGS__)); \
  } while (false)

}  // namespace poro
