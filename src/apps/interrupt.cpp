#include "apps/interrupt.h"

namespace poro {
namespace {

std::atomic<bool> is_interrupted{false};
static_assert(std::atomic<bool>::is_always_lock_free, "a signal handler may touch nothing else");

}  // namespace

InterruptFlag::InterruptFlag(Signal signal) {
  clear();
  ::sigaction(SIGINT, nullptr, &before_);
  if (signal == Signal::kLeftAlone) return;
  struct sigaction action = {};
  action.sa_handler = [](int) { is_interrupted = true; };
  // A write goes on after the signal; the line editor waits in ppoll, which returns all the same.
  action.sa_flags = SA_RESTART;
  ::sigaction(SIGINT, &action, nullptr);
}

InterruptFlag::~InterruptFlag() {
  ::sigaction(SIGINT, &before_, nullptr);
}

const std::atomic<bool>* InterruptFlag::flag() const {
  return &is_interrupted;
}

void InterruptFlag::clear() {
  is_interrupted = false;
}

InterruptBlock::InterruptBlock() {
  sigset_t interrupt;
  ::sigemptyset(&interrupt);
  ::sigaddset(&interrupt, SIGINT);
  ::pthread_sigmask(SIG_BLOCK, &interrupt, &before_);
}

InterruptBlock::~InterruptBlock() {
  ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

}  // namespace poro
