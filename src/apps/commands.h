// The commands of the program. Each add_x declares one command on `root`, its options and its help, which
// ends in footer("Example:\n  poro x ..."); parsing the command line runs it. A command throws Error for bad
// input (exit code 2); any other exception is a failure of ours or the machine's (1).
#pragma once

#include <CLI/CLI.hpp>

namespace poro {

void add_bench(CLI::App& root);
void add_card(CLI::App& root);
void add_convert(CLI::App& root);
void add_data(CLI::App& root);
void add_chat(CLI::App& root);
void add_generate(CLI::App& root);
void add_inspect(CLI::App& root);
void add_plan(CLI::App& root);
void add_pull(CLI::App& root);
void add_eval(CLI::App& root);
void add_sample(CLI::App& root);
void add_score(CLI::App& root);
void add_template(CLI::App& root);
void add_tokenize(CLI::App& root);
void add_train(CLI::App& root);
void add_translate(CLI::App& root);

}  // namespace poro
