// The program as its user starts it: a child process with its output collected, and one that can be killed.
#pragma once

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "tests/scratch_folder.h"

namespace poro {

// `poro ARGUMENTS` in a process of its own, with `input` as its standard input.
class PoroProcess {
 public:
  explicit PoroProcess(const std::vector<std::string>& arguments, const std::vector<std::string>& prefix = {},
                       const std::string& input = {}) {
    std::vector<std::string> words = prefix;
    words.emplace_back(PORO_BINARY);
    words.insert(words.end(), arguments.begin(), arguments.end());
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    const std::string in = folder_ / "in", out = folder_ / "out", err = folder_ / "err";
    std::ofstream(in, std::ios::binary) << input;
    child_ = ::fork();
    if (child_ == 0) {
      ::setpgid(0, 0);
      ::unsetenv("PORO_LOG");
      redirect(in.c_str(), O_RDONLY, STDIN_FILENO);
      redirect(out.c_str(), O_WRONLY | O_CREAT, STDOUT_FILENO);
      redirect(err.c_str(), O_WRONLY | O_CREAT, STDERR_FILENO);
      ::execvp(argv[0], argv.data());
      ::_exit(127);
    }
  }
  ~PoroProcess() {
    if (child_ > 0) kill();
  }
  PoroProcess(const PoroProcess&) = delete;
  PoroProcess& operator=(const PoroProcess&) = delete;

  // Its exit code; -1 when a signal ended it.
  int wait() {
    int status = 0;
    ::waitpid(std::exchange(child_, -1), &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  int kill() {
    ::kill(-child_, SIGKILL);
    ::kill(child_, SIGKILL);
    return wait();
  }
  pid_t pid() const { return child_; }
  std::string out() const { return read_file(folder_ / "out"); }
  std::string err() const { return read_file(folder_ / "err"); }

 private:
  static void redirect(const char* path, int flags, int to) {
    const int fd = ::open(path, flags, 0600);
    ::dup2(fd, to);
  }

  ScratchFolder folder_;
  pid_t child_ = -1;
};

struct PoroOutcome {
  int exit_code = -1;
  std::string out, err;
};

inline PoroOutcome run_poro(const std::vector<std::string>& arguments,
                            const std::vector<std::string>& prefix = {}, const std::string& input = {}) {
  PoroProcess process(arguments, prefix, input);
  const int exit_code = process.wait();
  return {exit_code, process.out(), process.err()};
}

// What it answers to lines on its standard input.
inline PoroOutcome ask_poro(const std::vector<std::string>& arguments, const std::string& input) {
  return run_poro(arguments, {}, input);
}

}  // namespace poro
