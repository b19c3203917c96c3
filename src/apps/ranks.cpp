#include "apps/ranks.h"

#include <chrono>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/error.h"

namespace poro {
namespace {

using Json = nlohmann::json;

void send_text(Comm& world, std::string text) {
  uint64_t size = text.size();
  world.broadcast(std::as_writable_bytes(std::span(&size, 1)));
  if (size > 0) world.broadcast(std::as_writable_bytes(std::span(text)));
}

std::string receive_text(Comm& world) {
  uint64_t size = 0;
  world.broadcast(std::as_writable_bytes(std::span(&size, 1)));
  std::string text(size, '\0');
  if (size > 0) world.broadcast(std::as_writable_bytes(std::span(text)));
  return text;
}

void follow(const ModelOptions& own) {
  for (;;) {
    const std::string text = receive_text(*own.ranks);
    if (text.empty()) return;
    const Json told = Json::parse(text);
    ModelOptions options = own;
    options.model = told["model"];
    if (told.contains("seed")) options.seed = told["seed"].get<uint64_t>();
    if (told.contains("context")) options.context = told["context"].get<int64_t>();
    const OpenModel model = open_model(options);
    model.llama->follow();
  }
}

}  // namespace

// Mostly all ranks find the same thing wrong at once; the first one says it, and the others speak only if
// they are still there.
void run_among(Comm& world, const std::function<void()>& body) {
  const auto stop = [&](const char* sentence, int exit_code) {
    if (world.rank() > 0) std::this_thread::sleep_for(std::chrono::seconds(2));
    std::fprintf(stderr, "poro: rank %d: %s\n", world.rank(), sentence);
    world.abort(exit_code);
  };
  try {
    body();
  } catch (const Error& error) {
    stop(error.what(), 2);
  } catch (const std::exception& error) {
    stop(error.what(), 1);
  }
}

void lead_ranks(ModelOptions& options, const std::function<void()>& body) {
  const std::unique_ptr<Comm> world = world_comm();
  if (world->size() == 1) return body();
  options.ranks = world.get();
  run_among(*world, [&] {
    if (world->rank() > 0) return follow(options);
    body();
    send_text(*world, "");
  });
}

// The rest of the options is on every rank's command line.
void tell_options(const ModelOptions& options) {
  if (options.ranks == nullptr || options.ranks->rank() > 0) return;
  Json json = {{"model", options.model}};
  if (options.seed) json["seed"] = *options.seed;
  if (options.context) json["context"] = *options.context;
  send_text(*options.ranks, json.dump());
}

}  // namespace poro
