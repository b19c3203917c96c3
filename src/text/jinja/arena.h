// Memory of one rendering: values are carved off blocks and freed together at the end. So values are plain
// words that may be copied and shared, cycles cannot leak, no destructor recurses, and one number bounds
// everything a template allocates.
#pragma once

#include <cstddef>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/error.h"
#include "text/jinja/limits.h"

namespace poro::jinja {

class Arena {
 public:
  // Uninitialised memory aligned for any value. Throws Error once the rendering has taken kMaxBytes.
  void* allocate(size_t bytes) {
    const size_t rounded = (bytes + 15) & ~size_t{15};
    if (bytes > kMaxBytes || rounded > kMaxBytes - used_)
      fail("the template makes more than {} MiB of values", kMaxBytes >> 20);
    used_ += rounded;
    if (rounded > static_cast<size_t>(end_ - at_)) grow(rounded);
    return std::exchange(at_, at_ + rounded);
  }

  template <class T, class... Args>
  T* make(Args&&... args) {
    static_assert(std::is_trivially_destructible_v<T>, "the arena runs no destructors");
    return new (allocate(sizeof(T))) T{std::forward<Args>(args)...};
  }

 private:
  static constexpr size_t kBlockBytes = size_t{64} << 10;

  void grow(size_t bytes) {
    const size_t size = bytes > kBlockBytes ? bytes : kBlockBytes;
    blocks_.emplace_back(static_cast<char*>(::operator new(size)));
    at_ = blocks_.back().get();
    end_ = at_ + size;
  }

  struct Free {
    void operator()(char* block) const { ::operator delete(block); }
  };
  std::vector<std::unique_ptr<char, Free>> blocks_;
  char* at_ = nullptr;
  char* end_ = nullptr;
  size_t used_ = 0;
};

}  // namespace poro::jinja
