#include "train/report.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "train/svg_chart.h"

namespace poro {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

std::vector<Json> read_lines(const fs::path& path) {
  std::vector<Json> lines;
  if (!fs::exists(path)) return lines;
  const std::string content = read_file(path);
  for (size_t at = 0; at < content.size();) {
    const size_t end = std::min(content.find('\n', at), content.size());
    Json line = Json::parse(content.substr(at, end - at), nullptr, false);
    if (line.is_object()) lines.push_back(std::move(line));
    at = end + 1;
  }
  return lines;
}

// A number of every line that has it, by step.
Series series_of(const std::vector<Json>& lines, const std::string& label, const std::string& key) {
  Series series{.label = label, .points = {}};
  for (const Json& line : lines)
    if (line.contains("step") && line.contains(key) && line[key].is_number())
      series.points.push_back({.x = line["step"].get<double>(), .y = line[key].get<double>()});
  return series;
}

// "loss_by_source": one curve for each.
std::vector<Series> series_by_source(const std::vector<Json>& lines, const std::string& prefix) {
  std::map<std::string, Series> sources;
  for (const Json& line : lines) {
    if (!line.contains("loss_by_source")) continue;
    for (const auto& [name, loss] : line["loss_by_source"].items())
      if (loss.is_number())
        sources[name].points.push_back({.x = line["step"].get<double>(), .y = loss.get<double>()});
  }
  std::vector<Series> result;
  for (auto& [name, series] : sources) {
    series.label = prefix + name;
    result.push_back(std::move(series));
  }
  return result;
}

std::vector<Json> validations(const std::vector<Json>& events) {
  std::vector<Json> lines;
  for (const Json& event : events)
    if (event.value("event", "") == "validation") lines.push_back(event);
  return lines;
}

std::string summary_of(const std::vector<Json>& metrics, const std::vector<Json>& held_out) {
  if (metrics.empty()) return "<p>No step has been done yet.</p>";
  const Json& last = metrics.back();
  double seconds = 0;
  for (const Json& line : metrics) seconds += line.value("seconds", 0.0);
  std::string text =
      fmt::format("<p>{} steps, {} tokens in {:.0f} seconds of training; loss {:.4f} at the last step",
                  metrics.size(), last.value("tokens", int64_t{0}), seconds, last.value("loss", 0.0));
  if (!held_out.empty())
    text += fmt::format(", held-out loss from {:.4f} to {:.4f}", held_out.front().value("loss", 0.0),
                        held_out.back().value("loss", 0.0));
  return text + ".</p>";
}

constexpr const char* kStyle =
    "body{font:15px/1.5 system-ui,sans-serif;max-width:62rem;margin:2rem auto;padding:0 "
    "1rem;color:#1c2733;background:#fff}"
    "h1{font-size:1.5rem}h2{font-size:1.05rem;margin:1.6rem 0 .2rem}svg{width:100%;height:auto}"
    "pre{background:#f4f6f8;padding:1rem;overflow:auto;font-size:13px}"
    "@media(prefers-color-scheme:dark){body{color:#dfe6ee;background:#10161d}pre{background:#1a222c}}";

}  // namespace

void write_report(const fs::path& run) {
  const std::vector<Json> metrics = read_lines(run / "metrics.jsonl"),
                          events = read_lines(run / "events.jsonl");
  const std::vector<Json> held_out = validations(events);
  std::string charts;
  const auto add = [&](const std::string& title, std::vector<Series> series, Scale scale = Scale::kLinear) {
    std::erase_if(series, [](const Series& one) { return one.points.empty(); });
    if (!series.empty())
      charts += fmt::format("<h2>{}</h2>\n{}\n", escape_html(title), svg_chart(series, scale));
  };
  add("Loss", {series_of(metrics, "training", "loss"), series_of(held_out, "held out", "loss")});
  add("Loss by source", series_by_source(metrics, ""));
  add("Held-out loss by source", series_by_source(held_out, ""));
  add("Rewards",
      {series_of(metrics, "chosen", "rewards_chosen"), series_of(metrics, "rejected", "rewards_rejected")});
  add("Margin", {series_of(metrics, "training", "margin"), series_of(held_out, "held out", "margin")});
  add("Accuracy", {series_of(metrics, "training", "accuracy"), series_of(held_out, "held out", "accuracy")});
  add("Gradient norm", {series_of(metrics, "before clipping", "grad_norm")}, Scale::kLogarithmic);
  add("Learning rate", {series_of(metrics, "learning rate", "lr")});
  add("Tokens per second", {series_of(metrics, "tokens per second", "tokens_per_second")});
  const std::string recipe = fs::exists(run / "recipe.toml") ? read_file(run / "recipe.toml") : "";
  const std::string name = escape_html(fs::absolute(run).lexically_normal().filename().string());
  write_file_atomic(
      run / "report.html",
      fmt::format("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{0}</title>"
                  "<meta name=\"viewport\" "
                  "content=\"width=device-width\"><style>{1}</style></head>\n<body>\n<h1>{0}</h1>\n"
                  "{2}\n{3}<h2>Recipe</h2>\n<pre>{4}</pre>\n</body></html>\n",
                  name, kStyle, summary_of(metrics, held_out), charts, escape_html(recipe)));
}

}  // namespace poro
