// `poro convert`: a model folder in another type: int8 in the compressed-tensors layout, or plain bf16 or
// f32.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "apps/commands.h"
#include "apps/model_options.h"
#include "base/error.h"
#include "base/log.h"
#include "model/checkpoint.h"
#include "model/companions.h"

namespace poro {
namespace {

struct ConvertOptions {
  ModelOptions model;
  std::string dtype = "int8", out;
};

// Columns that share a scale: those of the int8 kernels, where all matrices have a multiple of them; else the
// rows whole.
int64_t group_of(const std::vector<WeightSpec>& table) {
  constexpr int64_t kGroup = 128;
  int64_t columns = 0;
  bool divides = true;
  for (const WeightSpec& weight : table)
    if (weight.shape.rank() == 2) {
      columns = std::max(columns, weight.shape[1]);
      divides = divides && weight.shape[1] % kGroup == 0;
    }
  if (!divides)
    fail(
        "the model's matrices have rows of up to {} columns, not all multiples of {}, which int8 needs; use "
        "--dtype bf16",
        columns, kGroup);
  return kGroup;
}

Tensor converted(Arena& arena, const Tensor& source, DType dtype) {
  const Tensor result = arena.tensor(dtype, source.shape);
  for (int64_t i = 0; i < source.elements(); ++i) store_element(result, i, load_element(source, i));
  return result;
}

void run_convert(const ConvertOptions& options) {
  namespace fs = std::filesystem;
  const fs::path folder = model_folder(options.model.model), out = options.out;
  if (fs::exists(out) && fs::equivalent(folder, out)) fail("--out is the model itself; give it another name");
  const Checkpoint checkpoint = Checkpoint::open(folder);
  LlamaConfig config = checkpoint.config();
  const std::vector<WeightSpec> table = weight_table(config);
  const bool is_int8 = options.dtype == "int8";
  const int64_t group = is_int8 ? group_of(table) : 0;
  const DType plain = options.dtype == "f32" ? DType::kF32 : DType::kBF16;  // Of norms, in int8 too
  config.dtype = plain;
  Arena arena("the converted model");
  std::vector<NamedTensor> tensors;
  for (const WeightSpec& weight : table) {
    const Tensor source = checkpoint.tensor(weight.name);
    if (is_int8 && weight.shape.rank() == 2) {
      const Int8Form form = compress_int8(arena, source, group);
      tensors.push_back({.name = weight.name, .tensor = form.values});
      tensors.push_back({.name = weight.name + "_scale", .tensor = form.scale});
    } else {
      tensors.push_back({.name = weight.name, .tensor = converted(arena, source, plain)});
    }
    checkpoint.release(source);
  }
  nlohmann::ordered_json json = config.to_json();
  if (is_int8) json["quantization_config"] = int8_config(group, config.has_tied_head);
  save_tensors(out, json.dump(2) + "\n", tensors);
  copy_companions(folder, out);
  inform("{}: {} as {}, {:.1f} MB of weights", out.string(), options.model.model, options.dtype,
         static_cast<double>(arena.bytes()) / 1e6);
}

}  // namespace

void add_convert(CLI::App& root) {
  CLI::App* command = root.add_subcommand("convert", "A model folder in another type: int8, bf16 or f32");
  auto options = std::make_shared<ConvertOptions>();
  add_model_option(*command, options->model);
  command->get_option("--model")->required();
  command->add_option("--dtype", options->dtype, "int8 (compressed-tensors layout), bf16, f32")
      ->check(CLI::IsMember({"int8", "bf16", "f32"}))
      ->capture_default_str();
  command->add_option("--out", options->out, "The new folder")->required();
  command->footer("Example: poro convert --model runs/mini-dpo/final --dtype int8 --out models/poro-mini");
  command->callback([options] { run_convert(*options); });
}

}  // namespace poro
