#include "eval/token_budget.h"

namespace poro {

bool TokenBudget::reserve(int64_t most) {
  std::unique_lock lock(mutex_);
  if (limit_ > 0) {
    settled_.wait(lock, [&] { return used_ + reserved_ + most <= limit_ || reserved_ == 0; });
    if (used_ + most > limit_) return false;
  }
  reserved_ += most;
  return true;
}

void TokenBudget::settle(Settlement settlement) {
  const std::lock_guard lock(mutex_);
  reserved_ -= settlement.reserved;
  used_ += settlement.used;
  settled_.notify_all();
}

int64_t TokenBudget::used() const {
  const std::lock_guard lock(mutex_);
  return used_;
}

}  // namespace poro
