#include "data/mixture.h"

#include <numeric>

#include "base/digest.h"
#include "base/error.h"
#include "data/permutation.h"

namespace poro {
namespace {

// One document: its own attention; the last token has no target.
void append_document(std::span<const uint32_t> tokens, Batch& batch) {
  const auto start = static_cast<int32_t>(batch.ids.size());
  for (size_t i = 0; i < tokens.size(); ++i) {
    const bool has_target = i + 1 < tokens.size();
    batch.ids.push_back(token_id(tokens[i]));
    batch.starts.push_back(start);
    batch.targets.push_back(has_target ? token_id(tokens[i + 1]) : 0);
    batch.weights.push_back(has_target && is_counted(tokens[i + 1]) ? 1.0f : 0.0f);
  }
}

// A stretch of the stream: the token after it is the last one's target.
void append_stream(std::span<const uint32_t> tokens, Batch& batch) {
  append_document(tokens, batch);
  batch.ids.pop_back();
  batch.starts.pop_back();
  batch.targets.pop_back();
  batch.weights.pop_back();
}

}  // namespace

double Batch::total_weight() const {
  return std::accumulate(weights.begin(), weights.end(), 0.0);
}

int64_t MixturePosition::total() const {
  return std::accumulate(drawn.begin(), drawn.end(), int64_t{0});
}

Mixture::Mixture(std::vector<MixtureSource> sources, Order order, uint64_t seed)
    : sources_(std::move(sources)), order_(order), seed_(seed) {
  for (const MixtureSource& source : sources_)
    CHECK(source.share > 0, "share {} of {}", source.share, source.name);
}

Mixture::Draw Mixture::draw(MixturePosition& position) const {
  // The source that is furthest behind its share once this sequence is drawn; the first of equals.
  const double place = static_cast<double>(position.total() + 1);
  size_t chosen = 0;
  double most = -1;
  for (size_t i = 0; i < sources_.size(); ++i) {
    const double behind = sources_[i].share * place - static_cast<double>(position.drawn[i]);
    if (i == 0 || behind > most) most = behind, chosen = i;
  }
  const int64_t count = sources_[chosen].packing->num_sequences(), at = position.drawn[chosen]++;
  const int64_t epoch = at / count, place_in_epoch = at % count;
  const uint64_t stream = (static_cast<uint64_t>(epoch) << 16) | chosen;
  return {.source = static_cast<int64_t>(chosen),
          .sequence = order_ == Order::kAsStored ? place_in_epoch
                                                 : Permutation(count, seed_, stream)(place_in_epoch)};
}

void Mixture::append(const Draw& draw, Batch& batch) const {
  const MixtureSource& source = sources_[static_cast<size_t>(draw.source)];
  const int64_t begin = batch.num_tokens();
  if (source.packing->options().kind == PackingKind::kConcat) {
    append_stream(source.packing->stream(draw.sequence), batch);
  } else {
    std::vector<TokenRange> ranges;
    for (const Segment& segment : source.packing->segments(draw.sequence)) {
      const int64_t first = batch.num_tokens();
      append_document(source.shard->row(segment.row)
                          .subspan(static_cast<size_t>(segment.begin), static_cast<size_t>(segment.length())),
                      batch);
      ranges.push_back({first, batch.num_tokens()});
    }
    if (source.shard->kind() == RowKind::kPairs)
      batch.pairs.push_back(
          {.chosen = ranges[0], .rejected = ranges[1], .id = draw.sequence, .source = draw.source});
  }
  batch.sequences.push_back({.tokens = {begin, batch.num_tokens()}, .source = draw.source});
}

Batch Mixture::batch(const std::vector<Draw>& draws) const {
  Batch batch;
  for (const Draw& draw : draws) append(draw, batch);
  return batch;
}

MixturePosition Mixture::position_from_json(const nlohmann::ordered_json& json,
                                            const std::string& where) const {
  MixturePosition position;
  try {
    position.drawn = json.get<std::vector<int64_t>>();
  } catch (const nlohmann::json::exception&) {
    fail("{}: the position in the data is damaged", where);
  }
  if (position.drawn.size() != sources_.size())
    fail("{} was written with {} sources, and the recipe has {}", where, position.drawn.size(),
         sources_.size());
  return position;
}

std::string Mixture::digest() const {
  Digest digest(Digest::Kind::kSha256);
  digest.update(fmt::format("mixture 1\nseed {}\norder {}\n", seed_, static_cast<int>(order_)));
  for (const MixtureSource& source : sources_) {
    const PackingOptions& options = source.packing->options();
    digest.update(fmt::format("{} {} {} {} {} {}\n", source.shard->key(), source.share,
                              choice_name(options.kind), choice_name(options.overlong),
                              options.sequence_length, options.max_prompt_length));
  }
  return digest.hex();
}

}  // namespace poro
