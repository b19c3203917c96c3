#include "eval/parquet.h"

#include "base/error.h"

namespace poro {

std::vector<std::string> read_parquet(const std::filesystem::path& path) {
  fail(
      "{} is a Parquet file, and this program was built without DuckDB, which reads them; run "
      "tools/install-duckdb and build again, or write the rows as JSON Lines: duckdb -c \"COPY (FROM '{}') "
      "TO "
      "'rows.jsonl'\"",
      path.string(), path.filename().string());
}

}  // namespace poro
