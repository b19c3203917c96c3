// The models of `poro eval`: --model answers, --judge decides; each is a folder or hub name, opened in this
// process when first needed, or the URL of an OpenAI-compatible server.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <optional>
#include <string>

#include "apps/model_options.h"
#include "eval/chat.h"
#include "eval/local_chat.h"
#include "eval/remote_chat.h"

namespace poro {

// How models are run, whichever role they have.
struct RunOptions {
  ModelOptions compute;
  int concurrency = 8;
  double requests_per_minute = 0;
  int64_t token_budget = 0;
  std::string cache;  // Empty: poro/replies.sqlite in the user's cache folder.
};
void add_run_options(CLI::App& command, RunOptions& options);

struct ChatOptions {
  std::string model;  // A folder, a hub name, or a URL.
  std::string name;   // What a server calls it.
  std::string key_variable = "OPENAI_API_KEY";
};
// Declares --model, --model-name, --model-key-env, or the same with "judge".
void add_chat_options(CLI::App& command, const std::string& role, ChatOptions& options);

// Opens the model when the first answer is asked for, so that a run with nothing left to ask loads nothing.
class LazyChat : public ChatModel {
 public:
  // Throws Error when the model cannot be found.
  LazyChat(const ChatOptions& options, const RunOptions& run);
  ~LazyChat() override;

  void answer(std::span<const ChatRequest> requests, const OnReply& on_reply) override;
  nlohmann::ordered_json identity() const override { return identity_; }

  // What tables call it.
  const std::string& name() const { return name_; }
  // Gives the model's memory back; the next answer opens it again.
  void close();

 private:
  ChatOptions options_;
  RunOptions run_;
  std::string name_;
  nlohmann::ordered_json identity_;
  std::optional<OpenModel> open_;
  std::unique_ptr<ChatModel> chat_;
};

// Name, and SHA-256 of the weights, the tokenizer and the template, of a model in a folder; plus how it is
// run.
nlohmann::ordered_json model_identity(const ModelOptions& options);

// The file of the language identifier for `--lang`: the one named, or lid.176 of the evaluation data.
std::filesystem::path language_model(const std::string& named);

}  // namespace poro
