// The state of a run on disk: a folder checkpoints/step-N with one file of pieces for each rank and one that
// says what belongs together, every byte under a hash. It is written beside the training, under another name,
// and gets its own in one rename; a run of any number of ranks reads it.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/comm.h"
#include "train/shards.h"

namespace poro {

struct CheckpointPolicy {
  std::filesystem::path folder;  // checkpoints/
  int64_t keep_last = 3, keep_every = 0;
};

// Writes checkpoints. Every function is collective.
class CheckpointWriter {
 public:
  CheckpointWriter(Shards& shards, Comm& world, CheckpointPolicy policy);
  ~CheckpointWriter();
  CheckpointWriter(const CheckpointWriter&) = delete;
  CheckpointWriter& operator=(const CheckpointWriter&) = delete;

  // Copies the state and returns; the copy is written while training goes on. Waits for an earlier one first.
  // `state` is whatever else the run must know to go on.
  void save(int64_t step, const nlohmann::ordered_json& state);
  // Gives a checkpoint that all ranks have written its name, and removes those that are too many. A write
  // that failed (a full disk) is warned of and forgotten. To be called now and then; returns the step of a
  // checkpoint that became whole.
  std::optional<int64_t> poll();
  // Waits for what is under way. False if it failed.
  bool finish();
  // Whether the last write failed, and nothing has been written since.
  bool has_failed() const { return !failure_.empty(); }
  const std::string& failure() const { return failure_; }

  size_t bytes() const { return arena_.bytes(); }  // Of the copy.

 private:
  void write(const std::filesystem::path& folder);
  std::optional<int64_t> settle();
  void prune();

  Shards* shards_;
  Comm* world_;
  CheckpointPolicy policy_;
  Arena arena_{"checkpoint"};
  struct Copy {
    int64_t weight, first;
    Tensor master, moment1, moment2;
  };
  std::vector<Copy> copies_;
  std::thread thread_;
  std::atomic<bool> is_written_{false};
  int64_t step_ = -1;  // Under way; -1: none
  nlohmann::ordered_json state_;
  std::string error_, failure_;  // Of the thread's write; of the last one settled
};

struct LoadedCheckpoint {
  int64_t step = 0;
  nlohmann::ordered_json state;
};

// The newest whole checkpoint of the folder into the shards; nothing when there is none. One that is damaged
// is left with a sentence, and the one before it taken. Collective. Throws Error when a checkpoint is of
// another model.
std::optional<LoadedCheckpoint> load_latest_checkpoint(const std::filesystem::path& folder, Shards& shards,
                                                       Comm& world);

// The steps of the checkpoints in the folder that have their name, ascending.
std::vector<int64_t> checkpoint_steps(const std::filesystem::path& folder);
// What an interrupted write left behind.
void remove_partial_checkpoints(const std::filesystem::path& folder);

}  // namespace poro
