// `poro bench`: how fast the parts are on this machine.
#include "apps/bench.h"

#include "apps/commands.h"

namespace poro {

void add_bench(CLI::App& root) {
  CLI::App* bench = root.add_subcommand("bench", "Measure this machine and what poro makes of it");
  bench->require_subcommand(1);
  bench->footer("Example: poro bench decode --model shape:1b --dtype int8");
  add_bench_model(*bench);
  add_bench_ops(*bench);
  add_bench_tokenize(*bench);
  add_bench_train(*bench);
}

}  // namespace poro
