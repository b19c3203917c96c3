// Fetching a whole repository from the hub into the local cache: several files at once, each resumed after a
// cut and held against its hash before it gets its name. The revision's name is written last, so a snapshot
// that can be found is complete.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>

#include "apps/hub_cache.h"

namespace poro {

struct HubOptions {
  std::string endpoint = "https://huggingface.co";
  std::string
      token;  // Empty: none. Sent to the endpoint only, never to where it redirects, and never logged.
  std::filesystem::path cache;
  int num_connections = 4;
  int num_retries = 5;                         // In a row without a byte of progress.
  std::chrono::milliseconds first_delay{500};  // Before the first retry; doubled for each further one.
  std::chrono::seconds stall_limit{30};        // A connection that brings nothing for this long has failed.
};

// From HF_ENDPOINT, HF_TOKEN, HF_TOKEN_PATH, HF_HUB_CACHE, HF_HOME and what is in the home folder.
HubOptions hub_options_from_environment();

struct HubRequest {
  RepositoryKind kind = RepositoryKind::kModel;
  std::string name;  // "org/name"
  std::string revision = "main";
};

// Returns the snapshot folder. Throws Error: what the hub refuses and how to be let in, wrong hashes, a full
// disk.
std::filesystem::path pull(const HubOptions& options, const HubRequest& request);

}  // namespace poro
