// The program as its user meets it: exit codes, one line on stderr for bad usage, help with an example for
// every command.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "base/file.h"

namespace poro {
namespace {

struct Outcome {
  int exit_code = -1;
  std::string out, err;
};

// Runs `poro ARGUMENTS` through the shell.
Outcome run_poro(const std::string& arguments) {
  const std::string base = testing::TempDir() + "poro_command_line_" + std::to_string(::getpid());
  const std::string command = std::string(PORO_BINARY) + " " + arguments;
  const int status =
      std::system(("(" + command + ") >" + base + ".out 2>" + base + ".err </dev/null").c_str());
  const Outcome outcome{WIFEXITED(status) ? WEXITSTATUS(status) : -1, read_file(base + ".out"),
                        read_file(base + ".err")};
  std::remove((base + ".out").c_str());
  std::remove((base + ".err").c_str());
  return outcome;
}

size_t num_lines(const std::string& text) {
  return static_cast<size_t>(std::count(text.begin(), text.end(), '\n'));
}

// The names under "Subcommands:" of `poro --help`.
std::vector<std::string> command_names() {
  const std::string help = run_poro("--help").out;
  std::vector<std::string> names;
  size_t at = help.find("ommands:\n");
  while (at != std::string::npos && (at = help.find('\n', at)) != std::string::npos &&
         help.compare(at + 1, 2, "  ") == 0) {
    const size_t end = help.find(' ', at + 3);
    if (help[at + 3] != ' ') names.push_back(help.substr(at + 3, end - at - 3));
    ++at;
  }
  return names;
}

TEST(CommandLine, HelpListsTheCommandsAndEachHasAnExample) {
  const std::vector<std::string> names = command_names();
  for (const std::string& name : names) {
    const Outcome help = run_poro(name + " --help");
    EXPECT_EQ(help.exit_code, 0) << name;
    EXPECT_NE(help.out.find("Example"), std::string::npos) << name << "\n" << help.out;
    EXPECT_NE(help.out.find("poro " + name), std::string::npos) << name << "\n" << help.out;
    EXPECT_EQ(help.err, "") << name;
  }
}

TEST(CommandLine, UnknownCommandsAreOneLineWithTheNearest) {
  for (const std::string& name : command_names()) {
    const std::string typed = name.substr(0, name.size() - 1);
    const Outcome outcome = run_poro(typed);
    EXPECT_EQ(outcome.exit_code, 2) << typed;
    EXPECT_EQ(outcome.out, "");
    EXPECT_EQ(outcome.err, "poro: there is no command \"" + typed + "\"; did you mean \"" + name + "\"?\n");
  }
  const Outcome far = run_poro("photosynthesis");
  EXPECT_EQ(far.exit_code, 2);
  EXPECT_EQ(far.err, "poro: there is no command \"photosynthesis\"; `poro --help` lists them\n");
}

TEST(CommandLine, BadUsageIsOneLineAndExitCode2) {
  std::vector<std::string> commands = {"", "--no-such-option"};
  for (const std::string& name : command_names()) commands.push_back(name + " --no-such-option");
  for (const std::string& arguments : commands) {
    const Outcome outcome = run_poro(arguments);
    EXPECT_EQ(outcome.exit_code, 2) << arguments;
    EXPECT_EQ(outcome.out, "") << arguments;
    EXPECT_EQ(num_lines(outcome.err), 1u) << outcome.err;
    EXPECT_EQ(outcome.err.substr(0, 6), "poro: ") << outcome.err;
    EXPECT_NE(outcome.err.find("--help"), std::string::npos) << outcome.err;
  }
}

TEST(CommandLine, VersionNamesCommitProcessorAndGpus) {
  const Outcome version = run_poro("--version");
  EXPECT_EQ(version.exit_code, 0);
  EXPECT_EQ(version.out.substr(0, 7), "poro 0.") << version.out;
  EXPECT_NE(version.out.find("\nCPU: "), std::string::npos) << version.out;
  EXPECT_NE(version.out.find("\nCUDA"), std::string::npos) << version.out;
  EXPECT_EQ(version.err, "");
}

TEST(CommandLine, FullDiskIsAFailure) {
  const Outcome outcome = run_poro("--help >/dev/full");
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_EQ(outcome.err, "poro: cannot write to standard output\n");
}

}  // namespace
}  // namespace poro
