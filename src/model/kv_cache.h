// Keys and values of past positions, in pages: one pool per layer, and a table of pages per sequence. A
// sequence grows page by page, so memory is bounded by what is used, and the ops see only the tables.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/device.h"
#include "model/config.h"

namespace poro {

struct KvCacheOptions {
  int64_t max_sequences = 1;
  int64_t max_positions = 0;    // Per sequence.
  int64_t total_positions = 0;  // Of all sequences together; 0: as many as if each were full.
  int64_t page_size = 64;       // S
  DType dtype = DType::kF32;
};

class KvCache {
 public:
  KvCache(Device& device, const LlamaConfig& config, const KvCacheOptions& options);
  // Of a model whose layers lie on several devices: each has those of its layers, in its own type.
  struct Part {
    Device* device;
    int64_t num_layers;
    DType dtype;
  };
  KvCache(std::span<const Part> parts, const LlamaConfig& config, const KvCacheOptions& options);

  // The pages of layer `layer`: (P, K, S, D).
  const Tensor& keys(int64_t layer) const { return keys_[static_cast<size_t>(layer)]; }
  const Tensor& values(int64_t layer) const { return values_[static_cast<size_t>(layer)]; }

  int64_t page_size() const { return options_.page_size; }
  int64_t max_positions() const { return options_.max_positions; }
  int64_t max_sequences() const { return options_.max_sequences; }
  // Positions in all pages, and in those that `positions` of one sequence take.
  int64_t total_positions() const { return keys_[0].dim(0) * page_size(); }
  int64_t whole_pages(int64_t positions) const {
    return (positions + page_size() - 1) / page_size() * page_size();
  }
  int64_t length(int64_t sequence) const { return lengths_[static_cast<size_t>(sequence)]; }

  // Makes room for `count` more positions; a bug if that passes max_positions, or total_positions.
  void extend(int64_t sequence, int64_t count);
  // Forgets the positions from `length` on and frees their pages.
  void truncate(int64_t sequence, int64_t length);
  const std::vector<int32_t>& pages(int64_t sequence) const { return pages_[static_cast<size_t>(sequence)]; }

  static size_t bytes(const LlamaConfig& config, const KvCacheOptions& options);
  static size_t bytes(const Part& part, const LlamaConfig& config, const KvCacheOptions& options);
  const KvCacheOptions& options() const { return options_; }

  // By which ranks that split a model know the cache; it lives as long as the cache.
  std::shared_ptr<const int32_t> number = {};

 private:
  KvCacheOptions options_;
  std::vector<Arena> arenas_;
  std::vector<Tensor> keys_, values_;
  std::vector<int32_t> free_pages_;
  std::vector<std::vector<int32_t>> pages_;
  std::vector<int64_t> lengths_;
};

}  // namespace poro
