// Ctrl-C as a flag instead of the program's end. Exists because a signal handler can reach nothing but a
// static.
#pragma once

#include <signal.h>

#include <atomic>

namespace poro {

// While one exists that catches it, SIGINT sets the flag and interrupts blocking reads. At most one at a
// time.
class InterruptFlag {
 public:
  enum class Signal { kCaught, kLeftAlone };  // Left alone, it ends the program, as a script expects.

  explicit InterruptFlag(Signal signal);
  ~InterruptFlag();
  InterruptFlag(const InterruptFlag&) = delete;
  InterruptFlag& operator=(const InterruptFlag&) = delete;

  const std::atomic<bool>* flag() const;
  bool is_set() const { return *flag(); }
  void clear();

 private:
  struct sigaction before_;  // What SIGINT did.
};

// Keeps SIGINT from this thread, and from the threads it starts meanwhile: afterwards only this one is
// interrupted, so a read of the keyboard sees it.
class InterruptBlock {
 public:
  InterruptBlock();
  ~InterruptBlock();
  InterruptBlock(const InterruptBlock&) = delete;
  InterruptBlock& operator=(const InterruptBlock&) = delete;

 private:
  sigset_t before_;
};

}  // namespace poro
