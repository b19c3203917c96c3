// The report itself, twice: Markdown with the tables, and one HTML file with everything in it.
#pragma once

#include <span>
#include <string>

#include "eval/report/runs.h"

namespace poro::report {

std::string markdown(const Table& table);
std::string markdown(std::span<const Run> runs);

// Needs nothing beside it and nothing from the network: tables, charts, and the answers side by side.
std::string html(std::span<const Run> runs);

}  // namespace poro::report
