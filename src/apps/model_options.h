// The options every command that loads a model shares.
#pragma once

#include <CLI/CLI.hpp>

#include <cstdint>
#include <filesystem>
#include <string>

namespace poro {

struct ModelOptions {
  std::string model;            // A folder, a hub name, or shape:NAME.
  std::string device = "auto";  // auto | cpu | cuda | cuda:N | reference
  std::string dtype = "auto";   // auto | f32 | bf16 | int8 | int4
  int threads = 0;              // 0: every core this process may use.
  uint64_t seed = 0;
};

// Declares --model (required), and the folder behind it: a folder as it is, a hub name looked up in the local hub cache
// (HF_HUB_CACHE, HF_HOME, or ~/.cache/huggingface/hub). Throws Error that says how to get the model.
void add_model_option(CLI::App& command, ModelOptions& options);
std::filesystem::path model_folder(const std::string& model);

}  // namespace poro
