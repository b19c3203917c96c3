#include "train/svg_chart.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace poro {
namespace {

constexpr double kWidth = 960, kHeight = 280, kLeft = 64, kRight = 150, kTop = 12, kBottom = 28;
constexpr size_t kMostPoints = 600;
// Colours that differ in lightness too, for those who cannot tell all hues (Okabe and Ito, 2008).
constexpr std::array<const char*, 7> kColours = {"#0072b2", "#d55e00", "#009e73", "#cc79a7",
                                                 "#e69f00", "#56b4e9", "#7f7f7f"};

// Means of neighbours, so that a long run's curve has no more points than the picture has columns.
std::vector<ChartPoint> thinned(const std::vector<ChartPoint>& points) {
  if (points.size() <= kMostPoints) return points;
  std::vector<ChartPoint> result;
  for (size_t bucket = 0; bucket < kMostPoints; ++bucket) {
    const size_t begin = bucket * points.size() / kMostPoints,
                 end = (bucket + 1) * points.size() / kMostPoints;
    ChartPoint mean;
    for (size_t i = begin; i < end; ++i) {
      mean.x += points[i].x / static_cast<double>(end - begin);
      mean.y += points[i].y / static_cast<double>(end - begin);
    }
    result.push_back(mean);
  }
  return result;
}

struct Interval {
  double low = std::numeric_limits<double>::infinity(), high = -std::numeric_limits<double>::infinity();

  void take(double value) {
    low = std::min(low, value);
    high = std::max(high, value);
  }
  // So that there is something to divide by.
  void widen() {
    if (!(low <= high)) low = 0, high = 1;
    const double margin = high > low ? 0.04 * (high - low) : std::max(std::abs(low) * 0.1, 1e-12);
    low -= margin;
    high += margin;
  }
  double place(double value) const { return (value - low) / (high - low); }
};

std::string tick_text(double value, Scale scale) {
  return scale == Scale::kLogarithmic ? fmt::format("{:.3g}", std::pow(10.0, value))
                                      : fmt::format("{:.5g}", std::abs(value) < 1e-300 ? 0.0 : value);
}

}  // namespace

std::vector<double> round_ticks(double low, double high, int count) {
  const double rough = (high - low) / count, power = std::pow(10.0, std::floor(std::log10(rough)));
  const double share = rough / power, step = (share < 1.5   ? 1
                                              : share < 3.5 ? 2
                                              : share < 7.5 ? 5
                                                            : 10) *
                                             power;
  std::vector<double> ticks;
  for (double i = std::ceil(low / step); i * step <= high; ++i)
    ticks.push_back(i == 0 ? 0.0 : i * step);  // Not -0
  return ticks;
}

std::string escape_html(std::string_view text) {
  std::string result;
  for (const char c : text) {
    if (c == '&')
      result += "&amp;";
    else if (c == '<')
      result += "&lt;";
    else if (c == '>')
      result += "&gt;";
    else if (c == '"')
      result += "&quot;";
    else
      result += c;
  }
  return result;
}

std::string svg_chart(const std::vector<Series>& series, Scale scale) {
  std::vector<std::vector<ChartPoint>> curves;
  Interval x, y;
  for (const Series& one : series) {
    std::vector<ChartPoint>& curve = curves.emplace_back();
    for (ChartPoint point : thinned(one.points)) {
      if (scale == Scale::kLogarithmic) point.y = std::log10(point.y);
      if (!std::isfinite(point.y) || !std::isfinite(point.x)) continue;
      curve.push_back(point);
      x.take(point.x);
      y.take(point.y);
    }
  }
  x.widen();
  y.widen();
  const auto across = [&](double value) { return kLeft + x.place(value) * (kWidth - kLeft - kRight); };
  const auto down = [&](double value) {
    return kHeight - kBottom - y.place(value) * (kHeight - kTop - kBottom);
  };
  std::string svg = fmt::format(
      "<svg viewBox=\"0 0 {} {}\" role=\"img\" font-size=\"12\" fill=\"currentColor\">\n", kWidth, kHeight);
  for (const double tick : round_ticks(y.low, y.high, 5))
    svg += fmt::format(
        "<line x1=\"{0:.1f}\" x2=\"{1:.1f}\" y1=\"{2:.1f}\" y2=\"{2:.1f}\" stroke=\"currentColor\" "
        "stroke-opacity=\".15\"/>"
        "<text x=\"{3:.1f}\" y=\"{4:.1f}\" text-anchor=\"end\">{5}</text>\n",
        kLeft, kWidth - kRight, down(tick), kLeft - 6, down(tick) + 4, tick_text(tick, scale));
  for (const double tick : round_ticks(x.low, x.high, 8))
    svg += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"middle\">{:.6g}</text>\n", across(tick),
                       kHeight - 8, tick);
  for (size_t i = 0; i < curves.size(); ++i) {
    const char* colour = kColours[i % kColours.size()];
    std::string points;
    for (const ChartPoint& point : curves[i])
      points += fmt::format("{:.1f},{:.1f} ", across(point.x), down(point.y));
    svg += fmt::format("<polyline fill=\"none\" stroke=\"{}\" stroke-width=\"1.6\" points=\"{}\"/>\n", colour,
                       points);
    // A few points are marked, or a lone one would not show.
    if (curves[i].size() <= 40)
      for (const ChartPoint& point : curves[i])
        svg += fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"2.6\" fill=\"{}\"/>\n", across(point.x),
                           down(point.y), colour);
    const double row = kTop + 14 + 18 * static_cast<double>(i);
    svg += fmt::format(
        "<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"14\" height=\"4\" fill=\"{}\"/><text x=\"{:.1f}\" "
        "y=\"{:.1f}\">{}</text>\n",
        kWidth - kRight + 12, row - 6, colour, kWidth - kRight + 32, row, escape_html(series[i].label));
  }
  return svg + "</svg>";
}

}  // namespace poro
