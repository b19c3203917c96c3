// Curves as an SVG: axes with round numbers, a legend, and no more points than can be seen.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace poro {

struct ChartPoint {
  double x = 0, y = 0;
};

struct Series {
  std::string label;
  std::vector<ChartPoint> points;  // By ascending x; values that are not finite are left out
};

enum class Scale {
  kLinear,
  kLogarithmic
};  // Of y; values that are not positive do not show on a logarithmic one

std::string svg_chart(const std::vector<Series>& series, Scale scale);

std::string escape_html(std::string_view text);

// About `count` round numbers that cover [low, high]: 1, 2 or 5 times a power of ten apart.
std::vector<double> round_ticks(double low, double high, int count);

}  // namespace poro
