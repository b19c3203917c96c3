// The program on a terminal: a child behind a pseudo-terminal, typed to and read from. Nothing sleeps: every
// step waits for what the program shows, and gives up at a deadline, so that a busy machine makes a test slow
// and a hung program makes it fail.
#pragma once

#include <gtest/gtest.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <map>
#include <string>
#include <vector>

#include "base/error.h"

namespace poro {

class Terminal {
 public:
  using Environment = std::map<std::string, std::string>;

  // `poro ARGUMENTS` on a terminal of 100 columns, NO_COLOR set unless `environment` says otherwise.
  explicit Terminal(const std::vector<std::string>& arguments, const Environment& environment = {}) {
    winsize size{.ws_row = 30, .ws_col = 100, .ws_xpixel = 0, .ws_ypixel = 0};
    std::vector<std::string> words = {PORO_BINARY};
    words.insert(words.end(), arguments.begin(), arguments.end());
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    child_ = ::forkpty(&terminal_, nullptr, nullptr, &size);
    if (child_ == 0) {
      ::setenv("TERM", "xterm", 1);
      ::setenv("NO_COLOR", "1", 1);
      ::unsetenv("PORO_LOG");
      for (const auto& [name, value] : environment)
        value.empty() ? ::unsetenv(name.c_str()) : ::setenv(name.c_str(), value.c_str(), 1);
      ::execv(argv[0], argv.data());
      ::_exit(127);
    }
    if (child_ < 0) fail("no pseudo-terminal can be made");
  }
  ~Terminal() {
    if (child_ > 0) {
      ::kill(child_, SIGKILL);
      ::waitpid(child_, nullptr, 0);
    }
    ::close(terminal_);
  }
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  void type(const std::string& keys) const {
    for (size_t done = 0; done < keys.size();) {
      const ssize_t count = ::write(terminal_, keys.data() + done, keys.size() - done);
      ASSERT_GT(count, 0);
      done += static_cast<size_t>(count);
    }
  }

  // Everything shown since the last call, up to and with `text`.
  std::string wait_for(const std::string& text) {
    size_t at = std::string::npos;
    while ((at = shown_.find(text)) == std::string::npos)
      if (!read_more()) {
        ADD_FAILURE() << "waited for \"" << text << "\" and saw \"" << shown_ << "\"";
        return std::exchange(shown_, {});
      }
    const std::string seen = shown_.substr(0, at + text.size());
    shown_.erase(0, seen.size());
    return seen;
  }
  // Waits until this many bytes came since the last call, and takes them.
  void wait_for_bytes(size_t count) {
    while (shown_.size() < count)
      if (!read_more()) {
        ADD_FAILURE() << "waited for " << count << " bytes and saw \"" << shown_ << "\"";
        return;
      }
    shown_.clear();
  }

  // What is shown until the program ends, and its exit code; -1 when a signal ended it, or nothing did.
  int wait_for_end(std::string* rest = nullptr) {
    while (read_more()) {
    }
    if (rest != nullptr) *rest = std::exchange(shown_, {});
    if (is_late_) {
      ADD_FAILURE() << "the program does not end";
      return -1;
    }
    int status = 0;
    ::waitpid(std::exchange(child_, -1), &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

 private:
  static constexpr std::chrono::seconds kPatience{120};

  // False at the program's end, and when nothing was shown for as long as a busy machine could need.
  bool read_more() {
    pollfd wanted{.fd = terminal_, .events = POLLIN, .revents = 0};
    const auto patience = std::chrono::duration_cast<std::chrono::milliseconds>(kPatience);
    is_late_ = ::poll(&wanted, 1, static_cast<int>(patience.count())) == 0;
    if (is_late_) return false;
    char piece[4096];
    const ssize_t count = ::read(terminal_, piece, sizeof(piece));
    if (count <= 0) return false;  // EIO: the other end is closed.
    shown_.append(piece, static_cast<size_t>(count));
    return true;
  }

  pid_t child_ = -1;
  int terminal_ = -1;
  bool is_late_ = false;
  std::string shown_;
};

}  // namespace poro
