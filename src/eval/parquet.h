// Rows of a Parquet file as JSON objects: the form in which the hub keeps data sets. Read by DuckDB, which is
// a large library and not in Debian, so a build may be without it (tools/install-duckdb).
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace poro {

// Whether the file begins as Parquet files do.
bool is_parquet(std::string_view content);

// One JSON object per row, in the file's order; lists and structs are arrays and objects, what is missing is
// null. Throws Error.
std::vector<std::string> read_parquet(const std::filesystem::path& path);

}  // namespace poro
