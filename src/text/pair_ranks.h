// From a pair of token ids to the rank of their merge. A bucket of pairs is one cache line, and a look-up
// compares all of it without a branch: pairs that merge and pairs that do not come in an order that no
// processor foresees.
#pragma once

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "base/error.h"

namespace poro {

class PairRanks {
 public:
  static constexpr int32_t kMaxId = (1 << 22) - 2;
  static constexpr uint32_t kNoRank = (1 << 20) - 1;

  explicit PairRanks(size_t num_pairs) {
    while (size_t{5} << bucket_bits_ < num_pairs) ++bucket_bits_;
    buckets_.resize(size_t{1} << bucket_bits_);
  }

  // Where a pair is, if it is there. kMaxId + 1 is an id that merges with none.
  struct Place {
    uint32_t bucket, tag;
  };
  Place place_of(int32_t left, int32_t right) const {
    const uint64_t pair = static_cast<uint64_t>(left) << kIdBits | static_cast<uint64_t>(right);
    const uint64_t hash = pair * 0x9E3779B97F4A7C15 << (64 - kPairBits);  // A permutation of the 44 bits.
    return {static_cast<uint32_t>(hash >> (64 - bucket_bits_)),
            static_cast<uint32_t>(hash << bucket_bits_ >> (64 - kPairBits + bucket_bits_))};
  }
  void prefetch(Place place) const { __builtin_prefetch(&buckets_[place.bucket]); }

  // The rank of a pair, below kNoRank; kNoRank if it has none.
  uint32_t rank_at(Place place) const {
    const Bucket& bucket = buckets_[place.bucket];
    uint32_t value = 0;
    for (int i = 0; i < kPairs; ++i)
      value |= -static_cast<uint32_t>(bucket.tags[i] == place.tag) & bucket.values[i];
    if ((bucket.values[kPairs - 1] & kIsFull) != 0) [[unlikely]] {
      value &= ~kIsFull;
      if (value == 0) return rank_elsewhere(place);
    }
    return kNoRank - value;
  }
  uint32_t rank_of(int32_t left, int32_t right) const { return rank_at(place_of(left, right)); }

  // Gives a pair its rank; a pair that has one gets the new one.
  void set(int32_t left, int32_t right, uint32_t rank) {
    CHECK(rank < kNoRank && left <= kMaxId && right <= kMaxId, "rank {} of {} and {}", rank, left, right);
    const Place place = place_of(left, right);
    Bucket& bucket = buckets_[place.bucket];
    for (int i = 0; i < kPairs; ++i) {
      const uint32_t flag = bucket.values[i] & kIsFull;
      if (bucket.values[i] != flag && bucket.tags[i] != place.tag) continue;
      bucket.tags[i] = place.tag;
      bucket.values[i] = (kNoRank - rank) | flag;
      return;
    }
    bucket.values[kPairs - 1] |= kIsFull;
    elsewhere_[key_of(place)] = rank;
  }

 private:
  static constexpr int kIdBits = 22, kPairBits = 2 * kIdBits, kPairs = 8;
  static constexpr int kMinBucketBits = kPairBits - 32;  // So that the rest of a pair's hash fits a tag.
  static constexpr uint32_t kIsFull = uint32_t{1} << 31;

  struct alignas(64) Bucket {
    uint32_t tags[kPairs];
    uint32_t values[kPairs];  // kNoRank - rank; 0: free. The last may have kIsFull: pairs of this bucket are
                              // elsewhere.
  };

  static uint64_t key_of(Place place) { return uint64_t{place.bucket} << 32 | place.tag; }
  uint32_t rank_elsewhere(Place place) const {
    const auto found = elsewhere_.find(key_of(place));
    return found == elsewhere_.end() ? kNoRank : found->second;
  }

  std::vector<Bucket> buckets_;
  int bucket_bits_ = kMinBucketBits;
  std::unordered_map<uint64_t, uint32_t> elsewhere_;
};

}  // namespace poro
