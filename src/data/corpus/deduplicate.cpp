#include "data/corpus/deduplicate.h"

#include <algorithm>

namespace poro {

// The fingerprint: the hash of the words, then the signature.
void DeduplicateStep::judge(Document& document) const {
  std::vector<uint64_t> words;
  uint64_t whole = 0;
  for (const std::string& word : words_of(joined_text(document))) {
    words.push_back(hash_bytes(word));
    whole = mix_hash(whole ^ words.back());
  }
  document.fingerprint = {whole};
  if (min_similarity_ >= 1) return;
  std::vector<uint64_t> least(kValues, UINT64_MAX);
  const size_t size = std::clamp<size_t>(words.size(), 1, kShingle);
  for (size_t i = 0; i + size <= words.size(); ++i) {
    uint64_t shingle = 0;
    for (size_t k = 0; k < size; ++k) shingle = mix_hash(shingle ^ words[i + k]);
    // Value k of the family: an odd multiplier for each, the high half of the product.
    uint64_t multiplier = 0x9E3779B97F4A7C15;
    for (size_t k = 0; k < kValues; ++k, multiplier += 0xD1342543DE82EF96)
      least[k] = std::min(least[k], (shingle ^ (shingle >> 29)) * multiplier);
  }
  document.fingerprint.insert(document.fingerprint.end(), least.begin(), least.end());
}

void DeduplicateStep::decide(Document& document) {
  if (!seen_.insert(document.fingerprint[0]).second) {
    document.removed = "equal";
    return;
  }
  if (min_similarity_ >= 1) return;
  const uint64_t* signature = document.fingerprint.data() + 1;
  if (resembles_one(signature)) {
    document.removed = "near";
  } else {
    const auto index = static_cast<uint32_t>(signatures_.size() / kValues);
    for (size_t k = 0; k < kValues; ++k) signatures_.push_back(static_cast<uint32_t>(signature[k] >> 32));
    for (size_t band = 0; band < kBands; ++band) {
      uint64_t hash = band;
      for (size_t row = 0; row < kRows; ++row) hash = mix_hash(hash ^ signature[band * kRows + row]);
      bands_[band].emplace(hash, index);
    }
  }
  document.fingerprint = {};
}

bool DeduplicateStep::resembles_one(const uint64_t* signature) const {
  for (size_t band = 0; band < kBands; ++band) {
    uint64_t hash = band;
    for (size_t row = 0; row < kRows; ++row) hash = mix_hash(hash ^ signature[band * kRows + row]);
    for (auto [at, end] = bands_[band].equal_range(hash); at != end; ++at) {
      const uint32_t* other = signatures_.data() + size_t{at->second} * kValues;
      size_t equal = 0;
      for (size_t k = 0; k < kValues; ++k) equal += other[k] == static_cast<uint32_t>(signature[k] >> 32);
      if (static_cast<double>(equal) >= min_similarity_ * kValues) return true;
    }
  }
  return false;
}

}  // namespace poro
