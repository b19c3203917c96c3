#include "model/forward_plan.h"

#include <algorithm>

namespace poro {

ForwardPlan::ForwardPlan(std::span<const SequenceTokens> batch, KvCache& cache, Width width)
    : row_starts({0}) {
  for (const SequenceTokens& tokens : batch) {
    cache.extend(tokens.sequence, std::ssize(tokens.ids));
    num_pages = std::max(num_pages, std::ssize(cache.pages(tokens.sequence)));
  }
  if (width == Width::kOfCache)
    num_pages = (cache.max_positions() + cache.page_size() - 1) / cache.page_size();
  for (const SequenceTokens& tokens : batch) add(tokens, cache);
}

void ForwardPlan::add(const SequenceTokens& tokens, const KvCache& cache) {
  const int64_t count = std::ssize(tokens.ids), length = cache.length(tokens.sequence),
                size = cache.page_size();
  std::vector<int32_t> pages = cache.pages(tokens.sequence);
  ids.insert(ids.end(), tokens.ids.begin(), tokens.ids.end());
  for (int64_t position = length - count; position < length; ++position) {
    positions.push_back(static_cast<int32_t>(position));
    slots.push_back(
        static_cast<int32_t>(pages[static_cast<size_t>(position / size)] * size + position % size));
  }
  row_starts.push_back(static_cast<int32_t>(ids.size()));
  lengths.push_back(static_cast<int32_t>(length));
  pages.resize(static_cast<size_t>(num_pages), 0);
  page_table.insert(page_table.end(), pages.begin(), pages.end());
  max_new_tokens = std::max(max_new_tokens, count);
  max_length = std::max(max_length, length);
}

std::vector<int32_t> ForwardPlan::packed() const {
  std::vector<int32_t> all;
  for (const size_t value : {ids.size(), lengths.size(), static_cast<size_t>(num_pages),
                             static_cast<size_t>(max_new_tokens), static_cast<size_t>(max_length)})
    all.push_back(static_cast<int32_t>(value));
  for (const std::vector<int32_t>* part : {&ids, &positions, &slots, &row_starts, &lengths, &page_table})
    all.insert(all.end(), part->begin(), part->end());
  return all;
}

ForwardPlan::ForwardPlan(std::span<const int32_t> packed)
    : num_pages(packed[2]), max_new_tokens(packed[3]), max_length(packed[4]) {
  const size_t tokens = static_cast<size_t>(packed[0]), sequences = static_cast<size_t>(packed[1]);
  size_t at = 5;
  const auto take = [&](size_t count) {
    const std::span<const int32_t> part = packed.subspan(at, count);
    at += count;
    return std::vector<int32_t>(part.begin(), part.end());
  };
  for (std::vector<int32_t>* part : {&ids, &positions, &slots}) *part = take(tokens);
  row_starts = take(sequences + 1);
  lengths = take(sequences);
  page_table = take(sequences * static_cast<size_t>(num_pages));
  CHECK(at == packed.size(), "{} of {} integers of a plan", at, packed.size());
}

}  // namespace poro
