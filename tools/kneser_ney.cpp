// The baseline that a language model should beat: an interpolated modified Kneser-Ney model of order 5 (Chen
// and Goodman, An empirical study of smoothing techniques for language modeling, 1998) over the same tokens
// as the model, trained on the same text. Tokens make it the strong variant: over bytes five is a short
// context, and over words what the training text lacks has no probability that could be counted in bits per
// byte.
//
//   kneser_ney TOKENIZER TRAINING_FILES... -- HELD_OUT_FILES...      {"text"} lines, plain, .gz or .zst
//
// Prints a JSON line of bits per byte for each held-out file. Counts as `poro score --perplexity` does: each
// text after the begin-of-text token, no end-of-text token.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <exception>
#include <functional>
#include <string>
#include <vector>

#include "base/error.h"
#include "data/corpus/document.h"
#include "data/line_reader.h"
#include "text/tokenizer.h"

namespace poro {
namespace {

constexpr int kOrder = 5;

// A hash table from n-grams to counts; n-grams are known by 64 bits of hash, so two may be taken for one with
// a chance of about one in a thousand for a whole corpus.
template <class Value>
class Table {
 public:
  // The value, and whether it is new.
  std::pair<Value*, bool> insert(uint64_t key) {
    if (2 * (used_ + 1) > slots_.size()) grow();
    Slot& slot = find_slot(key);
    const bool is_new = !slot.is_used;
    used_ += is_new;
    slot.key = key;
    slot.is_used = true;
    return {&slot.value, is_new};
  }
  const Value* find(uint64_t key) const {
    const Slot& slot = const_cast<Table*>(this)->find_slot(key);
    return slot.is_used ? &slot.value : nullptr;
  }
  template <class Use>
  void for_each(const Use& use) const {
    for (const Slot& slot : slots_)
      if (slot.is_used) use(slot.value);
  }

 private:
  struct Slot {
    uint64_t key = 0;
    Value value = {};
    bool is_used = false;
  };

  Slot& find_slot(uint64_t key) {
    for (size_t at = key & (slots_.size() - 1);; at = (at + 1) & (slots_.size() - 1))
      if (!slots_[at].is_used || slots_[at].key == key) return slots_[at];
  }
  void grow() {
    std::vector<Slot> old(slots_.size() * 2);
    old.swap(slots_);
    for (const Slot& slot : old)
      if (slot.is_used) find_slot(slot.key) = slot;
  }

  std::vector<Slot> slots_ = std::vector<Slot>(size_t{1} << 16);
  size_t used_ = 0;
};

struct Ngram {
  uint64_t context = 0;  // The hash of all but the last token
  uint32_t count = 0;    // Of the highest order, occurrences; of lower ones, tokens seen before it
};
struct Context {
  uint64_t total = 0;
  uint32_t seen[4] = {};  // Continuations with an adjusted count of 1, 2, and 3 or more, from [1]
};

uint64_t hash_of(const int32_t* tokens, int count) {
  uint64_t hash = static_cast<uint64_t>(count);
  for (int i = 0; i < count; ++i) hash = mix_hash(hash ^ static_cast<uint32_t>(tokens[i]));
  return hash;
}

class KneserNey {
 public:
  explicit KneserNey(int64_t vocabulary) : vocabulary_(static_cast<double>(vocabulary)) {}

  // `tokens` begin with kOrder - 1 fillers.
  void add(const std::vector<int32_t>& tokens) {
    for (size_t end = kOrder; end <= tokens.size(); ++end) {
      const int32_t* last = tokens.data() + end;
      // An n-gram that is new is one more token before its own last n - 1 tokens.
      for (int n = kOrder; n >= 1; --n) {
        const auto [ngram, is_new] = ngrams_[n].insert(hash_of(last - n, n));
        ++ngram->count;
        if (!is_new) break;
        ngram->context = hash_of(last - n, n - 1);
      }
    }
  }

  void finish() {
    for (int n = 1; n <= kOrder; ++n) {
      double of_count[5] = {};
      ngrams_[n].for_each([&](const Ngram& ngram) {
        if (ngram.count <= 4) ++of_count[ngram.count];
        Context& context = *contexts_[n].insert(ngram.context).first;
        context.total += ngram.count;
        ++context.seen[std::min<uint32_t>(ngram.count, 3)];
      });
      const double y = of_count[1] / (of_count[1] + 2 * of_count[2]);
      for (int k = 1; k <= 3; ++k)
        discounts_[n][k] =
            of_count[k] > 0 ? std::max(0.0, k - (k + 1) * y * of_count[k + 1] / of_count[k]) : 0.0;
    }
  }

  // Of the last of kOrder tokens, given those before.
  double probability(const int32_t* end) const {
    double probability = 1 / vocabulary_;
    for (int n = 1; n <= kOrder; ++n) {
      const Context* context = contexts_[n].find(hash_of(end - n, n - 1));
      if (context == nullptr) break;
      const double* discount = discounts_[n];
      const Ngram* ngram = ngrams_[n].find(hash_of(end - n, n));
      const double kept = ngram == nullptr ? 0 : ngram->count - discount[std::min<uint32_t>(ngram->count, 3)];
      const double left =
          discount[1] * context->seen[1] + discount[2] * context->seen[2] + discount[3] * context->seen[3];
      probability = (kept + left * probability) / static_cast<double>(context->total);
    }
    return probability;
  }

 private:
  const double vocabulary_;
  Table<Ngram> ngrams_[kOrder + 1];
  Table<Context> contexts_[kOrder + 1];
  double discounts_[kOrder + 1][4] = {};
};

// Calls use(tokens behind their fillers, bytes of text) for every text of the file.
void for_texts(const std::string& file, const Tokenizer& tokenizer,
               const std::function<void(const std::vector<int32_t>&, size_t)>& use) {
  LineReader reader(file);
  for (LineBlock block; reader.next(block);)
    for_lines(block, [&](std::string_view line, int64_t) {
      if (line.empty()) return;
      const std::string text = joined_text(parse_document(line));
      std::vector<int32_t> tokens(kOrder - 1, tokenizer.bos_id().value_or(0));
      for (const int32_t id : tokenizer.encode(text, SpecialTokens::kPlain)) tokens.push_back(id);
      use(tokens, text.size());
    });
}

void run(const std::vector<std::string>& arguments) {
  const auto bar = std::find(arguments.begin(), arguments.end(), "--");
  if (arguments.size() < 2 || bar == arguments.end())
    fail("usage: kneser_ney TOKENIZER TRAINING_FILES... -- HELD_OUT_FILES...");
  const Tokenizer tokenizer = Tokenizer::load(arguments[0]);
  KneserNey model(tokenizer.vocab_size());
  for (auto file = arguments.begin() + 1; file != bar; ++file)
    for_texts(*file, tokenizer, [&](const std::vector<int32_t>& tokens, size_t) { model.add(tokens); });
  model.finish();
  for (auto file = bar + 1; file != arguments.end(); ++file) {
    double bits = 0;
    size_t bytes = 0, count = 0;
    for_texts(*file, tokenizer, [&](const std::vector<int32_t>& tokens, size_t text_bytes) {
      for (size_t end = kOrder; end <= tokens.size(); ++end)
        bits -= std::log2(model.probability(tokens.data() + end));
      bytes += text_bytes;
      count += tokens.size() - (kOrder - 1);
    });
    fmt::print("{{\"file\": \"{}\", \"bits_per_byte\": {:.4f}, \"tokens\": {}, \"bytes\": {}}}\n", *file,
               bits / static_cast<double>(bytes), count, bytes);
  }
}

}  // namespace
}  // namespace poro

int main(int argc, char** argv) {
  try {
    poro::run({argv + 1, argv + argc});
  } catch (const std::exception& error) {
    fmt::print(stderr, "kneser_ney: {}\n", error.what());
    return 2;
  }
  return 0;
}
