// A whole training run: from a recipe to a folder with metrics, checkpoints and a model.
#pragma once

#include <filesystem>
#include <string>

#include "base/comm.h"
#include "base/device.h"
#include "model/config.h"
#include "train/recipe.h"

namespace poro {

// A recipe with its names resolved.
struct RunInput {
  Recipe recipe;
  LlamaConfig config;                    // Of the model that is trained
  std::filesystem::path init = {};       // Its folder; empty: random weights
  std::filesystem::path reference = {};  // Of preferences: the frozen model's folder; empty: none
  std::filesystem::path tokenizer =
      {};  // The folder with tokenizer and chat template; empty: rows of ids only
};

enum class Resume { kNo, kYes };

// Trains. Collective. Throws Error for what is wrong with the input, std::runtime_error for a run that went
// wrong.
void run_training(Device& device, Comm& world, const RunInput& input, Resume resume);

// What a run would do: data, steps, memory, time. Makes the token shards, and nothing else. Collective.
std::string describe_plan(Device& device, Comm& world, const RunInput& input);

}  // namespace poro
