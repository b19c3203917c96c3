// Any bytes as the standard input of a command that takes JSON Lines: the whole of `poro sample`, from
// reading lines to the probabilities, answers each line with a result or a sentence.
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <sstream>

#include "apps/commands.h"
#include "base/error.h"

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  return std::freopen("/dev/null", "w", stdout) == nullptr ? 1 : 0;  // libFuzzer itself writes to stderr.
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::istringstream input(std::string(reinterpret_cast<const char*>(data), size));
  std::streambuf* const terminal = std::cin.rdbuf(input.rdbuf());
  std::cin.clear();
  CLI::App root;
  poro::add_sample(root);
  try {
    root.parse("sample");
  } catch (const poro::Error&) {
  }
  std::cin.rdbuf(terminal);
  return 0;
}
