#include "apps/model_options.h"

#include <cstdlib>

#include "base/error.h"
#include "base/file.h"

namespace poro {
namespace {

std::filesystem::path hub_cache() {
  if (const char* cache = std::getenv("HF_HUB_CACHE")) return cache;
  if (const char* home = std::getenv("HF_HOME")) return std::filesystem::path(home) / "hub";
  if (const char* home = std::getenv("XDG_CACHE_HOME"))
    return std::filesystem::path(home) / "huggingface/hub";
  const char* home = std::getenv("HOME");
  return std::filesystem::path(home != nullptr ? home : ".") / ".cache/huggingface/hub";
}

}  // namespace

void add_model_option(CLI::App& command, ModelOptions& options) {
  command.add_option("--model", options.model, "A model folder, or a hub name fetched with `poro pull`")
      ->required();
}

std::filesystem::path model_folder(const std::string& model) {
  if (std::filesystem::is_directory(model)) return model;
  std::string flat = "models--" + model;
  for (size_t at; (at = flat.find('/')) != std::string::npos;) flat.replace(at, 1, "--");
  const std::filesystem::path repository = hub_cache() / flat;
  const std::filesystem::path reference = repository / "refs/main";
  if (std::filesystem::is_regular_file(reference)) {
    std::string commit = read_file(reference, 4096);
    while (!commit.empty() && (commit.back() == '\n' || commit.back() == ' ')) commit.pop_back();
    const std::filesystem::path snapshot = repository / "snapshots" / commit;
    if (commit.find('/') == std::string::npos && std::filesystem::is_directory(snapshot)) return snapshot;
  }
  fail(
      "no model \"{}\": it is no folder, and the hub cache does not hold it; name a folder, or fetch it "
      "first with `poro pull {}`",
      model, model);
}

}  // namespace poro
