#include "train/training_data.h"

#include <cmath>
#include <cstdlib>
#include <limits>

#include "base/error.h"

namespace poro {
namespace {

namespace fs = std::filesystem;

std::string name_of(const SourceSection& source) {
  if (!source.name.empty()) return source.name;
  fs::path name = fs::path(source.path).filename();
  while (name.has_extension()) name = name.stem();
  return name.string();
}

MixtureSource open_source(const SourceSection& source, const Recipe& recipe, const RowEncoder& encoder,
                          ThreadPool& pool) {
  const DataSection& data = recipe.data;
  const ShardRequest request{.source = source.path,
                             .kind = recipe.stage == Stage::kDpo ? RowKind::kPairs : RowKind::kRows,
                             .malformed = data.malformed,
                             .cache = data.cache.empty() ? default_shard_cache() : fs::path(data.cache)};
  MixtureSource result{.name = name_of(source),
                       .shard = std::make_unique<Shard>(open_or_make_shard(request, encoder, pool)),
                       .packing = nullptr};
  try {
    result.packing =
        std::make_unique<Packing>(*result.shard, PackingOptions{.kind = data.packing,
                                                                .overlong = data.overlong,
                                                                .sequence_length = data.sequence_length,
                                                                .max_prompt_length = data.max_prompt_length});
  } catch (const Error& error) {
    fail("{}: {}", source.path, error.what());
  }
  return result;
}

std::vector<MixtureSource> open_sources(const std::vector<SourceSection>& sections, const Recipe& recipe,
                                        const RowEncoder& encoder, ThreadPool& pool, Comm& comm) {
  // Rank 0 first, so that the others find the shards in the cache.
  std::vector<MixtureSource> sources;
  for (const bool is_first : {true, false}) {
    if (is_first == (comm.rank() == 0))
      for (const SourceSection& section : sections)
        sources.push_back(open_source(section, recipe, encoder, pool));
    comm.barrier();
  }
  return sources;
}

double sequences_of(const MixtureSource& source) {
  return static_cast<double>(source.packing->num_sequences());
}
double mean_length(const MixtureSource& source) {
  return static_cast<double>(source.packing->num_tokens()) / sequences_of(source);
}

// Shares by weight, or in proportion to what a source gives in its epochs.
void set_shares(std::vector<MixtureSource>& sources, const Recipe& recipe) {
  double sum = 0;
  for (size_t i = 0; i < sources.size(); ++i) {
    const SourceSection& section = recipe.data.sources[i];
    const double epochs = section.epochs.value_or(recipe.train.epochs.value_or(1));
    sources[i].share = section.weight.value_or(sequences_of(sources[i]) * epochs);
    sum += sources[i].share;
  }
  for (MixtureSource& source : sources) source.share /= sum;
}

// The run ends when the first source that has a number of epochs has been read so often.
double sequences_by_epochs(const std::vector<MixtureSource>& sources, const Recipe& recipe) {
  const auto& sections = recipe.data.sources;
  const bool are_stated =
      std::any_of(sections.begin(), sections.end(), [](const auto& s) { return s.epochs.has_value(); });
  double least = std::numeric_limits<double>::infinity();
  for (size_t i = 0; i < sources.size(); ++i) {
    if (are_stated && !sections[i].epochs) continue;
    const double epochs = sections[i].epochs.value_or(recipe.train.epochs.value_or(1));
    least = std::min(least, sequences_of(sources[i]) * epochs / sources[i].share);
  }
  return least;
}

void check_shares(const Recipe& recipe) {
  if (recipe.train.epochs || !recipe.train.steps) return;
  for (const SourceSection& source : recipe.data.sources)
    if (source.epochs && !source.weight)
      fail(
          "train.steps says how long the run is, so the epochs of source {} cannot; give sources a weight, "
          "or leave train.steps out",
          source.path);
}

}  // namespace

fs::path default_shard_cache() {
  if (const char* cache = std::getenv("XDG_CACHE_HOME"); cache != nullptr && *cache != '\0')
    return fs::path(cache) / "poro/shards";
  if (const char* home = std::getenv("HOME"); home != nullptr && *home != '\0')
    return fs::path(home) / ".cache/poro/shards";
  return fs::temp_directory_path() / "poro-shards";
}

TrainingData open_training_data(const Recipe& recipe, const RowEncoder& encoder, ThreadPool& pool,
                                Comm& comm) {
  check_shares(recipe);
  std::vector<MixtureSource> sources = open_sources(recipe.data.sources, recipe, encoder, pool, comm);
  set_shares(sources, recipe);
  TrainingData data;
  double mean = 0;
  for (const MixtureSource& source : sources) {
    mean += source.share * mean_length(source);
    data.longest = std::max(data.longest, source.packing->longest());
  }
  const double batch = static_cast<double>(recipe.train.global_batch);
  if (recipe.train.steps)
    data.sequences = static_cast<double>(*recipe.train.steps) * batch;
  else if (recipe.train.tokens)
    data.sequences = static_cast<double>(*recipe.train.tokens) / mean;
  else
    data.sequences = sequences_by_epochs(sources, recipe);
  data.tokens = data.sequences * mean;
  constexpr double kRoundoff = 1e-9;  // 3 * 0.1 / 0.1 sequences are three.
  data.steps =
      std::max<int64_t>(1, static_cast<int64_t>(std::ceil(data.sequences / batch * (1 - kRoundoff))));
  data.mixture =
      std::make_unique<Mixture>(std::move(sources), recipe.data.shuffle ? Order::kShuffled : Order::kAsStored,
                                static_cast<uint64_t>(recipe.train.seed));
  return data;
}

std::unique_ptr<Mixture> open_validation_data(const Recipe& recipe, const RowEncoder& encoder,
                                              ThreadPool& pool, Comm& comm) {
  if (recipe.validation.sources.empty()) return nullptr;
  std::vector<MixtureSource> sources = open_sources(recipe.validation.sources, recipe, encoder, pool, comm);
  for (MixtureSource& source : sources) source.share = 1.0 / static_cast<double>(sources.size());
  return std::make_unique<Mixture>(std::move(sources), Order::kShuffled,
                                   static_cast<uint64_t>(recipe.train.seed));
}

std::vector<std::string> describe(const TrainingData& data, const Recipe& recipe) {
  std::vector<std::string> lines;
  for (const MixtureSource& source : data.mixture->sources()) {
    const RowStatistics& rows = source.shard->statistics();
    const Packing& packing = *source.packing;
    lines.push_back(fmt::format(
        "{}: {} rows, {} tokens of which {} count ({:.1f} %), {} sequences of {:.0f} tokens; {:.1f} % of the "
        "run, {:.2f} epochs",
        source.name, rows.rows, rows.tokens, rows.counted,
        100.0 * static_cast<double>(rows.counted) / static_cast<double>(rows.tokens), packing.num_sequences(),
        mean_length(source), 100 * source.share, data.sequences * source.share / sequences_of(source)));
    if (rows.malformed + rows.uncounted + packing.num_cut() + packing.num_dropped() > 0)
      lines.push_back(fmt::format(
          "{}: {} malformed lines skipped, {} rows without a token that counts left out, {} rows cut and {} "
          "dropped at {} tokens",
          source.name, rows.malformed, rows.uncounted, packing.num_cut(), packing.num_dropped(),
          recipe.data.sequence_length));
    for (const auto& [language, count] : rows.languages)
      if (count.words > 0)
        lines.push_back(fmt::format("{}: {:.2f} tokens per word{}", source.name,
                                    static_cast<double>(count.tokens) / static_cast<double>(count.words),
                                    language.empty() ? "" : " in \"" + language + "\""));
  }
  lines.push_back(fmt::format("{} steps of {} sequences, about {:.0f} tokens", data.steps,
                              recipe.train.global_batch, data.tokens));
  return lines;
}

std::vector<Batch> next_batches(const Mixture& mixture, MixturePosition& position, const TrainSection& train,
                                const Comm& replicas) {
  std::vector<Mixture::Draw> draws;
  for (int64_t i = 0; i < train.global_batch; ++i) draws.push_back(mixture.draw(position));
  const int64_t per_rank = train.global_batch / replicas.size(), first = per_rank * replicas.rank();
  std::vector<Batch> batches;
  for (int64_t at = first; at < first + per_rank; at += train.micro_batch)
    batches.push_back(mixture.batch({draws.begin() + at, draws.begin() + at + train.micro_batch}));
  return batches;
}

}  // namespace poro
