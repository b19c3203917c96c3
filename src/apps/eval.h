// The benchmarks of `poro eval`, one file each: every add_eval_x declares one command below it.
#pragma once

#include <CLI/CLI.hpp>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace poro {

void add_eval_alpaca(CLI::App& eval);
void add_eval_difficulty(CLI::App& eval);
void add_eval_ifeval(CLI::App& eval);
void add_eval_mtbench(CLI::App& eval);
void add_eval_pairwise(CLI::App& eval);
void add_eval_report(CLI::App& eval);
void add_eval_tasks(CLI::App& eval);

// What tables call the model behind a file of answers: "folder/file" without the ending.
std::string name_of_file(const std::filesystem::path& path);

// The numbers, on stdout as one JSON object.
void print_summary(const nlohmann::ordered_json& summary);
// The first of the broken lines of an input, on stderr.
void say_broken(const std::vector<std::string>& broken);

}  // namespace poro
