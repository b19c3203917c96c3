#include "text/bpe_trainer.h"

#include <algorithm>
#include <map>
#include <unordered_map>
#include <unordered_set>

#include "text/byte_level.h"

namespace poro {
namespace {

using Pair = std::pair<int32_t, int32_t>;

struct PairHash {
  size_t operator()(const Pair& pair) const {
    return mix64(
        static_cast<uint64_t>(static_cast<uint32_t>(pair.first)) << 32 | static_cast<uint32_t>(pair.second),
        0x9E3779B97F4A7C15);
  }
};

struct PairState {
  int64_t count = 0;
  std::vector<int32_t> new_places;  // Words that hold the pair, of those found since it was last queued.
};

// A pair waiting to be merged, with words that hold it. A pair may wait more than once, when it arose anew;
// then each entry has its own words, and the pair is merged as often. The reference does so too, hence so do
// the ranks.
struct Candidate {
  int64_t count;  // When it was queued: perhaps too high by now.
  Pair pair;
  std::vector<int32_t> places;

  bool operator<(const Candidate& other) const {
    return count != other.count ? count < other.count : pair > other.pair;
  }
};

class Trainer {
 public:
  explicit Trainer(const WordCounts& words) {
    const ByteAlphabet& alphabet = ByteAlphabet::get();
    std::map<char32_t, char> sorted;
    for (int byte = 0; byte < 256; ++byte)
      sorted[alphabet.character(static_cast<unsigned char>(byte))] = static_cast<char>(byte);
    for (const auto& [character, byte] : sorted) add_token({&byte, 1});
    for (int32_t word = 0; word < words.words.id_limit(); ++word)
      add_word(words.words.bytes(word), words.counts[word]);
    queue_new_pairs();
  }

  TrainedBpe run(size_t vocabulary_size) {
    while (trained_.vocabulary.size() < vocabulary_size && !queue_.empty()) {
      std::pop_heap(queue_.begin(), queue_.end());
      Candidate& top = queue_.back();
      if (const int64_t count = pairs_[top.pair].count; top.count != count) {
        top.count = count;
        std::push_heap(queue_.begin(), queue_.end());
        continue;
      }
      if (top.count < 1) break;
      const Candidate candidate = std::move(top);
      queue_.pop_back();
      merge(candidate);
    }
    keep_last_of_equal_merges();
    return std::move(trained_);
  }

 private:
  struct Word {
    size_t start;  // in symbols_
    int32_t length;
    int64_t count;
  };

  int32_t add_token(std::string_view bytes) {
    const auto id = static_cast<int32_t>(trained_.vocabulary.size());
    return trained_.vocabulary.add(bytes, id) ? id : trained_.vocabulary.find(bytes);
  }

  void add_word(std::string_view bytes, int64_t count) {
    const auto index = static_cast<int32_t>(words_.size());
    words_.push_back({symbols_.size(), static_cast<int32_t>(bytes.size()), count});
    for (size_t i = 0; i < bytes.size(); ++i) {
      symbols_.push_back(trained_.vocabulary.find(bytes.substr(i, 1)));
      if (i > 0) count_pair({symbols_[symbols_.size() - 2], symbols_.back()}, count, index);
    }
  }

  void count_pair(Pair pair, int64_t change, int32_t word) {
    PairState& state = pairs_[pair];
    state.count += change;
    if (change < 0) return;
    if (state.new_places.empty()) new_pairs_.push_back(pair);
    if (state.new_places.empty() || state.new_places.back() != word) state.new_places.push_back(word);
  }

  void queue_new_pairs() {
    for (const Pair& pair : new_pairs_) {
      PairState& state = pairs_[pair];
      if (state.count > 0) {
        queue_.push_back({state.count, pair, std::move(state.new_places)});
        std::push_heap(queue_.begin(), queue_.end());
      }
      state.new_places.clear();
    }
    new_pairs_.clear();
  }

  void merge(const Candidate& candidate) {
    const auto [left, right] = candidate.pair;
    const int32_t result =
        add_token(std::string(trained_.vocabulary.bytes(left)).append(trained_.vocabulary.bytes(right)));
    trained_.merges.push_back({left, right, result});
    for (const int32_t place : candidate.places) merge_in_word(place, trained_.merges.back());
    queue_new_pairs();
  }

  void merge_in_word(int32_t index, const Merge& merge) {
    Word& word = words_[index];
    int32_t* symbols = symbols_.data() + word.start;
    int32_t kept = 0;
    for (int32_t i = 0; i < word.length; ++i, ++kept) {
      if (symbols[i] != merge.left || i + 1 == word.length || symbols[i + 1] != merge.right) {
        symbols[kept] = symbols[i];
        continue;
      }
      if (kept > 0) {
        count_pair({symbols[kept - 1], merge.left}, -word.count, index);
        count_pair({symbols[kept - 1], merge.result}, word.count, index);
      }
      ++i;
      symbols[kept] = merge.result;
      if (i + 1 < word.length) {
        count_pair({merge.right, symbols[i + 1]}, -word.count, index);
        count_pair({merge.result, symbols[i + 1]}, word.count, index);
      }
    }
    word.length = kept;
  }

  void keep_last_of_equal_merges() {
    std::unordered_set<Pair, PairHash> seen;
    std::vector<Merge> kept;
    for (auto merge = trained_.merges.rbegin(); merge != trained_.merges.rend(); ++merge)
      if (seen.insert({merge->left, merge->right}).second) kept.push_back(*merge);
    trained_.merges.assign(kept.rbegin(), kept.rend());
  }

  TrainedBpe trained_;
  std::vector<int32_t> symbols_;  // Of all words.
  std::vector<Word> words_;
  std::unordered_map<Pair, PairState, PairHash> pairs_;
  std::vector<Pair> new_pairs_;   // Those with new_places.
  std::vector<Candidate> queue_;  // A heap.
};

}  // namespace

void WordCounts::add(std::string_view word, int64_t count) {
  int32_t id = words.find(word);
  if (id < 0) {
    id = static_cast<int32_t>(counts.size());
    words.add(word, id);
    counts.push_back(0);
  }
  counts[id] += count;
}

TrainedBpe train_bpe(const WordCounts& words, size_t vocabulary_size) {
  return Trainer(words).run(vocabulary_size);
}

}  // namespace poro
