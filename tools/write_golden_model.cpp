// Writes the tiny random model that tests/model/forward_golden.json was computed for by transformers: tools/golden_forward.py.
#include <cstdio>

#include "model/checkpoint.h"
#include "tests/model/golden_model.h"

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: write_golden_model FOLDER\n");
    return 2;
  }
  const auto device = poro::Device::reference();
  const poro::Llama model = poro::golden_model(*device);
  poro::save_checkpoint(argv[1], model.config(), poro::named_tensors(model));
}
