// The table of commands, and the one place where errors become a sentence on stderr and an exit code.
#include <algorithm>
#include <cstdio>
#include <exception>
#include <iostream>
#include <new>
#include <string>
#include <vector>

#include "apps/commands.h"
#include "base/cpu_isa.h"
#include "base/cuda_devices.h"
#include "base/error.h"
#include "base/nearest.h"
#include "base/threads.h"
#include "base/version.h"

namespace poro {
namespace {

constexpr int kExitFailure = 1;
constexpr int kExitBadInput = 2;

// In the order of `poro --help`.
const std::vector<void (*)(CLI::App& root)> kCommands = {
    add_bench, add_chat,  add_generate, add_translate, add_inspect,  add_pull, add_convert, add_eval,
    add_card,  add_score, add_sample,   add_template,  add_tokenize, add_data, add_train,   add_plan,
};

int complain(const std::string& sentence, int exit_code) {
  std::fprintf(stderr, "poro: %s\n", sentence.c_str());
  return exit_code;
}

std::string full_version() {
  return fmt::format("poro {}\nCPU: {}, {} threads\n{}", version(), isa_name(detect_isa()),
                     available_threads(), describe(cuda_report()));
}

// Throws Error if `name` is no command, with the nearest one when it is near enough to be a slip of the
// keyboard.
void check_command(const CLI::App& root, const std::string& name) {
  std::vector<std::string> names;
  for (const CLI::App* command : root.get_subcommands({})) names.push_back(command->get_name());
  if (std::find(names.begin(), names.end(), name) != names.end()) return;
  if (const std::string meant = suggestion(name, names); !meant.empty())
    fail("there is no command \"{}\"{}", name, meant);
  fail("there is no command \"{}\"; `poro --help` lists them", name);
}

void parse_and_run(CLI::App& root, int argc, const char* const* argv) {
  if (argc < 2) fail("what should it do? `poro --help` lists the commands");
  const std::string first = argv[1];
  const bool is_command = !first.starts_with('-');
  if (is_command) check_command(root, first);
  try {
    root.parse(argc, argv);
  } catch (const CLI::Success&) {  // --help and --version
    throw;
  } catch (const CLI::ParseError& error) {
    fail("{}; see `poro {}--help`", error.what(), is_command ? first + " " : "");
  }
}

int run_command_line(int argc, const char* const* argv) {
  CLI::App root{"The Finnish/English chat models of Poro 2: use, make and judge them.", "poro"};
  root.set_version_flag("--version", full_version, "Print the version, the processor and the GPUs");
  root.set_help_flag("--help,-h", "Print this help");
  root.require_subcommand(1);
  root.get_formatter()->label("SUBCOMMAND", "COMMAND");
  root.footer("poro COMMAND --help explains a command, with an example.");
  for (const auto& add : kCommands) add(root);
  for (CLI::App* command : root.get_subcommands(nullptr)) command->group("Commands");
  try {
    parse_and_run(root, argc, argv);
  } catch (const CLI::Success& success) {
    root.exit(success);
  } catch (const Error& error) {
    return complain(error.what(), kExitBadInput);
  } catch (const std::bad_alloc&) {
    return complain("out of memory", kExitFailure);
  } catch (const std::exception& error) {
    return complain(error.what(), kExitFailure);
  }
  // A full disk behind `> file` shows here at the latest.
  if (!std::cout.flush() || std::fflush(stdout) != 0 || std::ferror(stdout) != 0)
    return complain("cannot write to standard output", kExitFailure);
  return 0;
}

}  // namespace
}  // namespace poro

int main(int argc, char** argv) {
  return poro::run_command_line(argc, argv);
}
