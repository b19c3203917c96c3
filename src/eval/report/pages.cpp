#include "eval/report/pages.h"

#include <map>

#include "eval/fill.h"
#include "eval/python_text.h"
#include "eval/report/page_parts.h"
#include "eval/report/svg.h"

namespace poro::report {
namespace {

using Json = nlohmann::ordered_json;

std::string html_table(const Table& table) {
  std::string html = "<h2>" + escaped(table.title) + "</h2><div class=\"wide\"><table><thead><tr>";
  for (const std::string& title : table.header) html += "<th>" + escaped(title) + "</th>";
  html += "</tr></thead><tbody>";
  for (const std::vector<std::string>& row : table.rows) {
    html += "<tr>";
    for (const std::string& cell : row) html += "<td>" + escaped(cell) + "</td>";
    html += "</tr>";
  }
  html += "</tbody></table></div>";
  if (!table.note.empty()) html += "<p class=\"note\">" + escaped(table.note) + "</p>";
  return html;
}

// What the page's script shows side by side: per benchmark and language the items of every model.
Json answers(std::span<const Run> runs) {
  std::map<std::string, Json> groups;
  std::vector<std::string> order;
  for (const Run& run : runs) {
    if (run.items.empty()) continue;
    const std::string title = task_title(run.task) + ", " + language_title(run.language);
    if (!groups.contains(title)) {
      order.push_back(title);
      groups[title] = {{"title", title}, {"models", Json::array()}};
    }
    Json items = Json::object();
    for (const RunItem& item : run.items) items[item.id] = item.json();
    groups[title]["models"].push_back(
        {{"name", run.model}, {"folder", run.folder}, {"items", std::move(items)}});
  }
  Json list = Json::array();
  for (const std::string& title : order) list.push_back(std::move(groups[title]));
  return list;
}

// JSON that may stand inside a script element, where "<" could end it or begin a comment.
std::string embedded(const Json& json) {
  return python::replace(json.dump(-1, ' ', false, Json::error_handler_t::replace), "<", "\\u003c");
}

}  // namespace

std::string markdown(const Table& table) {
  const auto line = [](const std::vector<std::string>& cells) {
    std::string text = "|";
    for (const std::string& cell : cells)
      text += " " + python::replace(python::replace(cell, "|", "\\|"), "\n", " ") + " |";
    return text + "\n";
  };
  std::string text = "## " + table.title + "\n\n" + line(table.header) + "|";
  for (size_t i = 0; i < table.header.size(); ++i) text += i < 2 ? " --- |" : " ---: |";
  text += "\n";
  for (const std::vector<std::string>& row : table.rows) text += line(row);
  return text + (table.note.empty() ? "" : "\n" + table.note + "\n");
}

std::string markdown(std::span<const Run> runs) {
  std::string text = "# Evaluation\n";
  for (const Table& table : tables(runs)) text += "\n" + markdown(table);
  return text;
}

std::string html(std::span<const Run> runs) {
  std::string body;
  for (const Table& table : tables(runs)) body += html_table(table);
  for (const Chart& chart : charts(runs)) {
    body += "<h2>" + escaped(chart.title) + "</h2><div class=\"charts\">";
    if (chart.axes.size() > 2) body += radar(chart);
    body += bars(chart) + "</div>";
  }
  return fill(kPage, {{"style", std::string(kStyle)},
                      {"body", body},
                      {"answers", embedded(answers(runs))},
                      {"script", std::string(kScript)}});
}

}  // namespace poro::report
