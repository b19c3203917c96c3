#include "model/kv_cache.h"

#include <algorithm>

namespace poro {
namespace {

int64_t num_pages(const KvCacheOptions& options) {
  const auto pages = [&](int64_t positions) {
    return (positions + options.page_size - 1) / options.page_size;
  };
  const int64_t all = options.max_sequences * pages(options.max_positions);
  return options.total_positions > 0 ? std::min(all, pages(options.total_positions)) : all;
}

Shape pool_shape(const LlamaConfig& config, const KvCacheOptions& options) {
  return {num_pages(options), config.num_kv_heads, options.page_size, config.head_dim};
}

}  // namespace

KvCache::KvCache(Device& device, const LlamaConfig& config, const KvCacheOptions& options)
    : KvCache({{Part{.device = &device, .num_layers = config.num_layers, .dtype = options.dtype}}}, config,
              options) {}

KvCache::KvCache(std::span<const Part> parts, const LlamaConfig& config, const KvCacheOptions& options)
    : options_(options),
      pages_(static_cast<size_t>(options.max_sequences)),
      lengths_(static_cast<size_t>(options.max_sequences), 0) {
  const Shape shape = pool_shape(config, options);
  for (const Part& part : parts) {
    Arena& arena = arenas_.emplace_back("key/value cache", *part.device);
    for (int64_t layer = 0; layer < part.num_layers; ++layer) {
      keys_.push_back(arena.tensor(part.dtype, shape));
      values_.push_back(arena.tensor(part.dtype, shape));
    }
  }
  // Taken from the back, so that a lone sequence gets its pages in order.
  for (int64_t page = shape[0] - 1; page >= 0; --page) free_pages_.push_back(static_cast<int32_t>(page));
}

size_t KvCache::bytes(const LlamaConfig& config, const KvCacheOptions& options) {
  return bytes({.device = nullptr, .num_layers = config.num_layers, .dtype = options.dtype}, config, options);
}

size_t KvCache::bytes(const Part& part, const LlamaConfig& config, const KvCacheOptions& options) {
  const Tensor pool{.data = nullptr, .dtype = part.dtype, .shape = pool_shape(config, options)};
  return 2 * static_cast<size_t>(part.num_layers) * pool.bytes();
}

void KvCache::extend(int64_t sequence, int64_t count) {
  int64_t& length = lengths_[static_cast<size_t>(sequence)];
  CHECK(length + count <= options_.max_positions, "{} + {} positions in a cache of {}", length, count,
        options_.max_positions);
  length += count;
  std::vector<int32_t>& pages = pages_[static_cast<size_t>(sequence)];
  while (static_cast<int64_t>(pages.size()) * options_.page_size < length) {
    CHECK(!free_pages_.empty(), "no page is left of {}", keys_[0].dim(0));
    pages.push_back(free_pages_.back());
    free_pages_.pop_back();
  }
}

void KvCache::truncate(int64_t sequence, int64_t length) {
  CHECK(length >= 0 && length <= lengths_[static_cast<size_t>(sequence)], "truncate to {} of {}", length,
        lengths_[static_cast<size_t>(sequence)]);
  lengths_[static_cast<size_t>(sequence)] = length;
  std::vector<int32_t>& pages = pages_[static_cast<size_t>(sequence)];
  while ((static_cast<int64_t>(pages.size()) - 1) * options_.page_size >= length && !pages.empty()) {
    free_pages_.push_back(pages.back());
    pages.pop_back();
  }
}

}  // namespace poro
