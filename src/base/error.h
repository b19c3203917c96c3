// The three ways something goes wrong. Input from outside: throw Error with one sentence (what, where, what
// to try), caught once, in main or at a request's border. A bug of ours: CHECK, which prints and aborts in
// every build. The machine failing is an Error too: the command ends, and what was written before is whole.
#pragma once

#include <fmt/format.h>

#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace poro {

// Bad input from outside. `what()` is one sentence without a trailing newline.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// A GPU failed, or has no memory left, while it was at work.
class GpuFault : public Error {
 public:
  GpuFault(const std::string& problem, const std::string& advice)
      : Error(problem + "; " + advice), problem_(problem), advice_(advice) {}
  // The same with the operation at which it was seen: for the door of ops (ops/op.h).
  Error seen_at(std::string_view op) const {
    return Error(fmt::format("{}, seen at {}; {}", problem_, op, advice_));
  }

 private:
  std::string problem_, advice_;
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
