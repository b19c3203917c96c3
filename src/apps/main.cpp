// The table of commands, and the one place where errors become a sentence on stderr and an exit code.
#include <cstdio>
#include <exception>

#include "apps/commands.h"
#include "base/error.h"
#include "base/version.h"

namespace {

constexpr int kExitBadInput = 2;
constexpr int kExitFailure = 1;

int complain(const char* sentence, int exit_code) {
  std::fprintf(stderr, "poro: %s\n", sentence);
  return exit_code;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App root{"The Finnish/English chat models of Poro 2: use, make and judge them.", "poro"};
  root.set_version_flag("--version", "poro " + poro::version());
  root.require_subcommand(1);
  poro::add_sample(root);
  try {
    root.parse(argc, argv);
    return std::fflush(stdout) == 0 ? 0 : complain("cannot write to standard output", kExitFailure);
  } catch (const CLI::Success& success) {  // --help and --version
    return root.exit(success);
  } catch (const CLI::ParseError& error) {
    return complain((std::string(error.what()) + "; see --help").c_str(), kExitBadInput);
  } catch (const poro::Error& error) {
    return complain(error.what(), kExitBadInput);
  } catch (const std::exception& error) {
    return complain(error.what(), kExitFailure);
  }
}
