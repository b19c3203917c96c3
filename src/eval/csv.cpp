#include "eval/csv.h"

#include <algorithm>
#include <charconv>

#include "base/error.h"
#include "base/file.h"

namespace poro {
namespace {

class Reader {
 public:
  Reader(std::string_view text, const std::string& name) : text_(text), name_(name) {}

  bool is_done() const { return at_ >= text_.size(); }

  std::vector<std::string> row() {
    ++row_;
    std::vector<std::string> cells;
    while (true) {
      cells.push_back(!is_done() && text_[at_] == '"' ? quoted() : plain());
      if (is_done()) return cells;
      const char separator = text_[at_++];
      if (separator == ',') continue;
      if (separator == '\r' && !is_done() && text_[at_] == '\n') ++at_;
      return cells;
    }
  }

 private:
  std::string plain() {
    const size_t end = std::min(text_.find_first_of(",\r\n", at_), text_.size());
    std::string cell(text_.substr(at_, end - at_));
    at_ = end;
    return cell;
  }

  std::string quoted() {
    std::string cell;
    for (++at_;; ++at_) {
      if (is_done()) fail("{}, row {}: a quote is never closed; is the file whole?", name_, row_);
      if (text_[at_] == '"') {
        ++at_;
        if (is_done() || text_[at_] != '"') break;
      }
      cell += text_[at_];
    }
    if (!is_done() && std::string_view(",\r\n").find(text_[at_]) == std::string_view::npos)
      fail("{}, row {}: text follows a closing quote; quotes inside a cell are doubled", name_, row_);
    return cell;
  }

  std::string_view text_;
  const std::string& name_;
  size_t at_ = 0, row_ = 0;
};

}  // namespace

size_t Csv::column(std::string_view title) const {
  const auto found = std::find(header.begin(), header.end(), title);
  if (found == header.end()) fail("{} has no column \"{}\"; it has {}", name, title, fmt::join(header, ", "));
  return static_cast<size_t>(found - header.begin());
}

double Csv::number(size_t row, size_t column) const {
  const std::string& cell = rows[row][column];
  double value = 0;
  const auto [end, error] = std::from_chars(cell.data(), cell.data() + cell.size(), value);
  if (error != std::errc() || end != cell.data() + cell.size())
    fail("{}, row {}: \"{}\" is \"{}\", not a number", name, row + 2, header[column], cell);
  return value;
}

Csv parse_csv(std::string_view text, const std::string& name) {
  Csv csv{.name = name, .header = {}, .rows = {}};
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  Reader reader(text, csv.name);
  if (reader.is_done()) fail("{} is empty; it needs a header row", csv.name);
  csv.header = reader.row();
  while (!reader.is_done()) {
    std::vector<std::string> row = reader.row();
    if (row.size() == 1 && row[0].empty()) continue;  // A blank line.
    if (row.size() != csv.header.size())
      fail("{}, row {}: {} cells, but the header has {}", csv.name, csv.rows.size() + 2, row.size(),
           csv.header.size());
    csv.rows.push_back(std::move(row));
  }
  return csv;
}

Csv read_csv(const std::filesystem::path& path) {
  return parse_csv(read_file(path), path.string());
}

}  // namespace poro
