// Writes the chat model of tests/tiny_chat_model.h that gives one answer to everything, into a folder: a
// judge for trying `poro eval` without a real one. See docs/evaluation.md.
#include <cstdio>

#include "base/error.h"
#include "tests/tiny_chat_model.h"

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: write_scripted_model FOLDER ANSWER\n");
    return 2;
  }
  try {
    const poro::TinyChatModel model({.context = 32768, .answer = argv[2]});
    std::filesystem::copy(model.path(), argv[1], std::filesystem::copy_options::recursive);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 2;
  }
}
