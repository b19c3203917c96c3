// A limit on the tokens that may be bought. Before a request its greatest possible cost is set aside, so the
// limit is never passed, however many requests are under way.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>

namespace poro {

class TokenBudget {
 public:
  // `limit` 0: none.
  explicit TokenBudget(int64_t limit) : limit_(limit) {}

  // Waits while requests under way may leave room; false when `most` tokens cannot fit any more.
  bool reserve(int64_t most);
  // The request is over: what it set aside becomes what it used.
  struct Settlement {
    int64_t reserved, used;
  };
  void settle(Settlement settlement);

  int64_t used() const;

 private:
  const int64_t limit_;
  mutable std::mutex mutex_;
  std::condition_variable settled_;
  int64_t used_ = 0, reserved_ = 0;
};

}  // namespace poro
