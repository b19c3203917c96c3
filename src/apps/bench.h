// The benchmarks under `poro bench`. Each add_bench_x declares one on `bench`; it prints JSON on standard
// output.
#pragma once

#include <CLI/CLI.hpp>

namespace poro {

// decode, prefill and load.
void add_bench_model(CLI::App& bench);
void add_bench_ops(CLI::App& bench);
void add_bench_tokenize(CLI::App& bench);
void add_bench_train(CLI::App& bench);

}  // namespace poro
