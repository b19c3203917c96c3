// Charts as SVG text, to stand inside an HTML page: a radar where there are three axes or more, and bars.
#pragma once

#include <string>

#include "eval/report/runs.h"

namespace poro::report {

std::string radar(const Chart& chart);
std::string bars(const Chart& chart);

// Text as it may stand in HTML and SVG.
std::string escaped(std::string_view text);

}  // namespace poro::report
