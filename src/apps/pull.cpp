// `poro pull`: a model or data set from the hub into the local cache that the Python library uses too.
#include <cstdio>

#include "apps/commands.h"
#include "apps/hub_pull.h"

namespace poro {

void add_pull(CLI::App& root) {
  CLI::App* command = root.add_subcommand("pull", "Fetch a model or data set from the hub");
  auto request = std::make_shared<HubRequest>();
  command->add_option("name", request->name, "The repository, as the hub calls it: org/name")->required();
  command->add_option("--revision", request->revision, "A branch, a tag or a commit")->capture_default_str();
  command->add_flag_callback(
      "--dataset", [request] { request->kind = RepositoryKind::kDataset; }, "The name is that of a data set");
  command->footer(
      "The folder is written to standard output. What was cut off goes on where it stopped when the command "
      "is run again.\n"
      "Environment: HF_TOKEN, HF_TOKEN_PATH, HF_ENDPOINT, HF_HUB_CACHE, HF_HOME as the Python library reads "
      "them.\n"
      "Example: poro pull LumiOpen/Llama-Poro-2-8B-Instruct");
  command->callback([request] {
    const std::filesystem::path folder = pull(hub_options_from_environment(), *request);
    std::printf("%s\n", folder.c_str());
  });
}

}  // namespace poro
