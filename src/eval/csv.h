// Tables as comma-separated text with a header row (RFC 4180): cells may be quoted, and then hold commas,
// line ends and doubled quotes.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace poro {

struct Csv {
  std::string name;  // What errors call it: its path.
  std::vector<std::string> header;
  std::vector<std::vector<std::string>> rows;  // Each as long as the header.

  // The index of the column. Throws Error that lists the columns when there is none.
  size_t column(std::string_view title) const;
  // A cell as a number. Throws Error that names row and column.
  double number(size_t row, size_t column) const;
};

// Throws Error when the text is no such table; `name` is what it is called then.
Csv parse_csv(std::string_view text, const std::string& name);
// The same of a file.
Csv read_csv(const std::filesystem::path& path);

}  // namespace poro
