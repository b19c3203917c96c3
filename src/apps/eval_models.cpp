#include "apps/eval_models.h"

#include <algorithm>
#include <cstdlib>

#include "base/digest.h"
#include "base/error.h"
#include "base/log.h"
#include "eval/eval_data.h"

namespace poro {
namespace {

constexpr size_t kHashLength = 64;

bool is_url(const std::string& model) {
  return model.starts_with("http://") || model.starts_with("https://");
}

// The hub's cache names large files by their SHA-256, so those need not be read again.
std::string content_hash(const std::filesystem::path& path) {
  const std::string blob = std::filesystem::canonical(path).filename().string();
  const bool is_hash =
      blob.size() == kHashLength && blob.find_first_not_of("0123456789abcdef") == std::string::npos;
  return is_hash ? blob : sha256_of_file(path);
}

// One hash over the names and contents of the folder's files that `is_wanted` picks.
template <class IsWanted>
std::string folder_hash(const std::filesystem::path& folder, const IsWanted& is_wanted) {
  std::vector<std::string> lines;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    if (entry.is_regular_file() && is_wanted(entry.path().filename().string()))
      lines.push_back(entry.path().filename().string() + " " + content_hash(entry.path()) + "\n");
  std::sort(lines.begin(), lines.end());
  return sha256(fmt::format("{}", fmt::join(lines, "")));
}

std::filesystem::path default_cache() {
  const char* cache = std::getenv("XDG_CACHE_HOME");
  const char* home = std::getenv("HOME");
  const std::filesystem::path root = cache != nullptr  ? std::filesystem::path(cache)
                                     : home != nullptr ? std::filesystem::path(home) / ".cache"
                                                       : std::filesystem::temp_directory_path();
  return root / "poro" / "replies.sqlite";
}

}  // namespace

void add_run_options(CLI::App& command, RunOptions& options) {
  add_compute_options(command, options.compute);
  command.add_option("--concurrency", options.concurrency, "Requests to a server at once")
      ->capture_default_str();
  command.add_option("--requests-per-minute", options.requests_per_minute,
                     "The most of them a minute; 0: any");
  command.add_option("--budget", options.token_budget,
                     "The most tokens that servers may be asked for, prompts included; 0: any");
  command.add_option("--cache", options.cache, "Where servers' replies are remembered (SQLite)");
}

void add_chat_options(CLI::App& command, const std::string& role, ChatOptions& options) {
  command.add_option("--" + role, options.model,
                     "A folder, a hub name, or the URL of an OpenAI-compatible server");
  command.add_option("--" + role + "-name", options.name, "What the server calls the " + role);
  command
      .add_option("--" + role + "-key-env", options.key_variable,
                  "The environment variable that holds the server's key")
      ->capture_default_str();
}

nlohmann::ordered_json model_identity(const ModelOptions& options) {
  nlohmann::ordered_json identity = {{"kind", "local"}, {"name", options.model}};
  if (is_random_shape(options)) {
    identity["seed"] = options.seed.value_or(0);
  } else {
    const std::filesystem::path folder = model_folder(options.model);
    identity["name"] = model_name(options.model);
    identity["weights"] = folder_hash(folder, [](const std::string& name) {
      return name.ends_with(".safetensors") || name == "config.json" || name == "generation_config.json";
    });
    identity["tokenizer"] =
        folder_hash(folder, [](const std::string& name) { return name.starts_with("tokenizer"); });
    if (has_tokenizer(folder) && has_chat_template(folder))
      identity["template"] = sha256(ChatTemplate::load(folder).source());
  }
  identity["device"] = options.device;
  if (options.gpu_layers) identity["gpu_layers"] = *options.gpu_layers;
  identity["dtype"] = options.dtype;
  if (options.context) identity["context"] = *options.context;
  return identity;
}

std::filesystem::path language_model(const std::string& named) {
  return named.empty() ? eval_data_file("lid.176.ftz") : std::filesystem::path(named);
}

LazyChat::LazyChat(const ChatOptions& options, const RunOptions& run) : options_(options), run_(run) {
  run_.compute.model = options.model;
  if (!is_url(options.model)) {
    identity_ = model_identity(run_.compute);
    name_ = identity_["name"];
    return;
  }
  const char* key = std::getenv(options.key_variable.c_str());
  RemoteOptions remote{.url = options.model,
                       .name = options.name,
                       .key = key == nullptr ? "" : key,
                       .key_variable = options.key_variable,
                       .concurrency = run.concurrency,
                       .requests_per_minute = run.requests_per_minute,
                       .token_budget = run.token_budget,
                       .cache = run.cache.empty() ? default_cache() : std::filesystem::path(run.cache)};
  chat_ = std::make_unique<RemoteChat>(std::move(remote));
  identity_ = chat_->identity();
  name_ = options.name;
}

LazyChat::~LazyChat() = default;

void LazyChat::answer(std::span<const ChatRequest> requests, const OnReply& on_reply) {
  if (chat_ == nullptr) {
    open_.emplace(open_model(run_.compute));
    chat_ = std::make_unique<LocalChat>(
        LocalChat::Parts{.model = *open_->llama,
                         .tokenizer = open_->text_tokenizer(),
                         .chat_template = open_->chat_template ? &*open_->chat_template : nullptr,
                         .stop_ids = open_->stop_ids,
                         .context = open_->context,
                         .identity = identity_});
  }
  chat_->answer(requests, on_reply);
}

void LazyChat::close() {
  if (!open_) return;
  chat_.reset();
  open_.reset();
}

}  // namespace poro
