#include "train/reference.h"

#include <algorithm>
#include <cstring>

#include "base/digest.h"
#include "base/error.h"
#include "base/file.h"
#include "base/progress.h"

namespace poro {
namespace {

namespace fs = std::filesystem;

std::string key_of(const MixtureSource& source, const std::string& identity) {
  const PackingOptions& options = source.packing->options();
  Digest digest(Digest::Kind::kSha256);
  digest.update(fmt::format("reference 1\n{}\n{} {} {} {}\n", identity, source.shard->key(),
                            choice_name(options.overlong), options.sequence_length,
                            options.max_prompt_length));
  return digest.hex();
}

// The file's sums, or nothing when it is missing or not whole.
std::vector<ReferenceSums> read_sums(const fs::path& path, int64_t pairs) {
  std::vector<ReferenceSums> sums(static_cast<size_t>(pairs));
  const size_t bytes = sums.size() * sizeof(ReferenceSums);
  std::error_code error;
  if (fs::file_size(path, error) != bytes || error) return {};
  const std::string content = read_file(path);
  std::memcpy(sums.data(), content.data(), bytes);
  return sums;
}

std::vector<ReferenceSums> compute_sums(const Mixture& mixture, int64_t source,
                                        const ReferenceSumsOf::LogProbs& log_probs, Comm& comm) {
  const MixtureSource& from = mixture.sources()[static_cast<size_t>(source)];
  // Every rank takes part in every round: a model in shards needs all of them.
  const int64_t pairs = from.packing->num_sequences(), rounds = (pairs + comm.size() - 1) / comm.size();
  std::vector<ReferenceSums> mine(static_cast<size_t>(rounds)),
      all(static_cast<size_t>(rounds * comm.size()));
  Progress progress("reference log-probabilities of " + from.name, static_cast<uint64_t>(rounds),
                    ProgressUnit::kItems);
  for (int64_t round = 0; round < rounds; ++round) {
    const int64_t pair = std::min(pairs - 1, round * comm.size() + comm.rank());
    const Batch batch = mixture.batch({{.source = source, .sequence = pair}});
    const std::vector<double> logp = log_probs(batch);
    mine[static_cast<size_t>(round)] = {.chosen = answer_logp(batch, batch.pairs[0].chosen, logp),
                                        .rejected = answer_logp(batch, batch.pairs[0].rejected, logp)};
    progress.add(1);
  }
  comm.all_gather(std::as_bytes(std::span(mine)), std::as_writable_bytes(std::span(all)));
  std::vector<ReferenceSums> sums;
  for (int64_t pair = 0; pair < pairs; ++pair)
    sums.push_back(all[static_cast<size_t>((pair % comm.size()) * rounds + pair / comm.size())]);
  return sums;
}

}  // namespace

ReferenceSumsOf ReferenceSumsOf::open(const Mixture& mixture, const fs::path& cache,
                                      const std::string& identity, Comm& comm,
                                      const std::function<LogProbs()>& load) {
  ReferenceSumsOf result;
  LogProbs log_probs;
  for (size_t i = 0; i < mixture.sources().size(); ++i) {
    const MixtureSource& source = mixture.sources()[i];
    const fs::path path = cache / (key_of(source, identity).substr(0, 32) + ".reference");
    std::vector<ReferenceSums> sums = read_sums(path, source.packing->num_sequences());
    if (comm.is_any(sums.empty())) {
      if (!log_probs) log_probs = load();
      sums = compute_sums(mixture, static_cast<int64_t>(i), log_probs, comm);
      if (comm.rank() == 0)
        write_file_atomic(path,
                          {reinterpret_cast<const char*>(sums.data()), sums.size() * sizeof(ReferenceSums)});
    }
    result.sources_.push_back(std::move(sums));
  }
  return result;
}

std::vector<ReferenceSums> ReferenceSumsOf::of(const Batch& batch) const {
  std::vector<ReferenceSums> sums;
  for (const Batch::Pair& pair : batch.pairs)
    sums.push_back(sources_[static_cast<size_t>(pair.source)].at(static_cast<size_t>(pair.id)));
  return sums;
}

std::string model_digest(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder))
    if (entry.path().extension() == ".safetensors" || entry.path().filename() == "config.json")
      files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  Digest digest(Digest::Kind::kSha256);
  for (const fs::path& file : files)
    digest.update(file.filename().string() + " " + sha256_of_file(file) + "\n");
  return digest.hex();
}

}  // namespace poro
