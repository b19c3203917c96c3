// The options every command that loads a model shares, and the model they name, opened once: device, weights,
// tokenizer, chat template, and what ends an answer.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/comm.h"
#include "base/device.h"
#include "model/config.h"
#include "model/llama.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace poro {

struct ModelOptions {
  std::string model;              // A folder, a hub name, or shape:NAME.
  std::string device = "auto";    // auto | cpu | cuda | cuda:N | reference
  std::string dtype = "auto";     // auto | f32 | bf16 | int8 | int4
  std::string kv_dtype = "auto";  // auto | f32 | bf16 | fp8
  bool keep_weights = false;      // int8 and int4 weights stay on disk for the next start.
  int threads = 0;                // 0: every core this process may use.
  std::optional<uint64_t> seed;
  std::optional<int64_t> context;          // The most positions of a sequence; none: the model's limit.
  std::optional<int64_t> gpu_layers = {};  // Blocks on the GPU; none: all, or as many as fit.
  Comm* ranks = nullptr;                   // That split the model, if any; none of the user's options.
};

// Declares --model, and the folder behind it: none is the model that ships, a folder as it is, a hub name
// looked up in the local hub cache (HF_HUB_CACHE, HF_HOME, or ~/.cache/huggingface/hub). Throws Error that
// says how to get the model.
void add_model_option(CLI::App& command, ModelOptions& options);
std::filesystem::path model_folder(const std::string& model);

// What results call it: the folder's name, the hub name, or poro-mini; `final` of a training run is called as
// the run is.
std::string model_name(const std::string& model);

// Whether a model folder holds a tokenizer, and a chat template, in any of their files.
bool has_tokenizer(const std::filesystem::path& folder);
bool has_chat_template(const std::filesystem::path& folder);

// Declares --device, --gpu-layers, --dtype, --kv-dtype, --weight-cache, --threads, --seed and --context.
void add_compute_options(CLI::App& command, ModelOptions& options);

// Whether the model is a shape with random weights, which is no model to talk with.
bool is_random_shape(const ModelOptions& options);

// The device that the options name, and the type of the weights (none: as the checkpoint stores them). Throws
// Error.
// `activations`: on a GPU, the type between operations.
std::unique_ptr<Device> open_device(const ModelOptions& options, DType activations);
std::optional<DType> weight_dtype(const ModelOptions& options);

struct OpenModel {
  std::string name = {};
  std::unique_ptr<Device> device = {};
  std::unique_ptr<Device> processor = {};  // Where a model that does not fit the GPU begins, else null.
  std::unique_ptr<Comm> ranks = {};        // That split the model, if any.
  std::unique_ptr<Llama> llama = {};
  std::optional<Tokenizer> tokenizer = {};         // Not every folder has one.
  std::optional<ChatTemplate> chat_template = {};  // Nor one of these.
  GenerationConfig generation = {};
  std::vector<int32_t> stop_ids =
      {};  // End an answer: of both configs, and the end-of-turn tokens of tokenizer and template.
  int64_t context = 0;

  // What the text commands cannot do without. Throws Error that says what is missing and what works instead.
  const Tokenizer& text_tokenizer() const;
  const ChatTemplate& conversation_template() const;
  // With the begin-of-text token in front, unless the tokenizer has none or the text starts with it.
  std::vector<int32_t> encode_with_bos(const std::string& text) const;
};

// Of the ranks in `options`, if any, each opens its part. Throws Error.
OpenModel open_model(const ModelOptions& options);

}  // namespace poro
