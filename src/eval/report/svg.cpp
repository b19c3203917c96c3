#include "eval/report/svg.h"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <numbers>

#include "eval/python_text.h"

namespace poro::report {
namespace {

// Distinguishable for colour-blind readers (Okabe and Ito 2008).
constexpr std::array kColours = {"#0072b2", "#e69f00", "#009e73", "#d55e00",
                                 "#cc79a7", "#56b4e9", "#8c8c00", "#555555"};

const char* colour(size_t series) {
  return kColours[series % kColours.size()];
}

struct Point {
  double x, y;
};

// The legend, one line per series from `at` downwards.
std::string legend(const Chart& chart, Point at) {
  constexpr double kLine = 18;
  std::string svg;
  for (size_t i = 0; i < chart.series.size(); ++i) {
    const double y = at.y + kLine * static_cast<double>(i);
    svg += fmt::format("<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"12\" height=\"12\" fill=\"{}\"/>", at.x, y,
                       colour(i));
    svg += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\">{}</text>", at.x + 18, y + 11,
                       escaped(chart.series[i].name));
  }
  return svg;
}

std::string opened(double width, double height, const std::string& title) {
  return fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0:.0f} {1:.0f}\" width=\"{0:.0f}\" "
      "height=\"{1:.0f}\" "
      "role=\"img\" aria-label=\"{2}\"><title>{2}</title>",
      width, height, escaped(title));
}

}  // namespace

std::string escaped(std::string_view text) {
  std::string result(text);
  for (const auto& [from, to] : {std::pair{"&", "&amp;"}, std::pair{"<", "&lt;"}, std::pair{">", "&gt;"},
                                 std::pair{"\"", "&quot;"}, std::pair{"'", "&#39;"}})
    result = python::replace(result, from, to);
  return result;
}

std::string radar(const Chart& chart) {
  constexpr double kWidth = 560, kRadius = 130, kMiddleX = 280, kMiddleY = 175;
  constexpr int kRings = 5;
  const auto point = [&](size_t axis, double share) {
    const double angle =
        2 * std::numbers::pi * static_cast<double>(axis) / static_cast<double>(chart.axes.size()) -
        std::numbers::pi / 2;
    return Point{kMiddleX + share * kRadius * std::cos(angle), kMiddleY + share * kRadius * std::sin(angle)};
  };
  const auto polygon = [&](const auto& share) {
    std::string points;
    for (size_t axis = 0; axis < chart.axes.size(); ++axis) {
      const Point at = point(axis, share(axis));
      points += fmt::format("{:.1f},{:.1f} ", at.x, at.y);
    }
    return points;
  };
  std::string svg = opened(kWidth, 350 + 18 * static_cast<double>(chart.series.size()), chart.title);
  for (int ring = 1; ring <= kRings; ++ring)
    svg += fmt::format("<polygon class=\"grid\" points=\"{}\"/>",
                       polygon([&](size_t) { return static_cast<double>(ring) / kRings; }));
  for (size_t axis = 0; axis < chart.axes.size(); ++axis) {
    const Point end = point(axis, 1), label = point(axis, 1.13);
    svg += fmt::format("<line class=\"grid\" x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\"/>",
                       kMiddleX, kMiddleY, end.x, end.y);
    const char* anchor = label.x > kMiddleX + 5 ? "start" : label.x < kMiddleX - 5 ? "end" : "middle";
    svg += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\">{}</text>", label.x, label.y + 4,
                       anchor, escaped(chart.axes[axis]));
  }
  for (size_t i = 0; i < chart.series.size(); ++i)
    svg += fmt::format(
        "<polygon points=\"{}\" fill=\"{}\" fill-opacity=\"0.12\" stroke=\"{}\" stroke-width=\"2\"/>",
        polygon([&](size_t axis) { return chart.series[i].values[axis] / chart.maximum; }), colour(i),
        colour(i));
  return svg + legend(chart, {20, 345}) + "</svg>";
}

std::string bars(const Chart& chart) {
  constexpr double kWidth = 620, kLabels = 150, kBar = 12, kGap = 10, kValues = 60;
  const double group = kBar * static_cast<double>(chart.series.size()) + kGap;
  const double height = group * static_cast<double>(chart.axes.size()) + kGap;
  std::string svg = opened(kWidth, height + 18 * static_cast<double>(chart.series.size()), chart.title);
  for (size_t axis = 0; axis < chart.axes.size(); ++axis) {
    const double top = kGap + group * static_cast<double>(axis);
    svg += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"end\">{}</text>", kLabels - 8,
                       top + (group - kGap) / 2 + 4, escaped(chart.axes[axis]));
    for (size_t i = 0; i < chart.series.size(); ++i) {
      const double value = chart.series[i].values[axis], y = top + kBar * static_cast<double>(i);
      const double length = (kWidth - kLabels - kValues) * value / chart.maximum;
      svg += fmt::format("<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\" fill=\"{}\"/>",
                         kLabels, y, length, kBar - 2, colour(i));
      svg += fmt::format("<text class=\"value\" x=\"{:.1f}\" y=\"{:.1f}\">{:.2f}</text>",
                         kLabels + length + 5, y + 9, value);
    }
  }
  return svg + legend(chart, {kLabels, height}) + "</svg>";
}

}  // namespace poro::report
