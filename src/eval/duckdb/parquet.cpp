#include "eval/parquet.h"

#include <duckdb.h>

#include <memory>

#include "base/error.h"

namespace poro {
namespace {

// DuckDB's handles, each with the function that gives it back.
template <class Handle, void (*kClose)(Handle*)>
class Owned {
 public:
  Owned() = default;
  ~Owned() { kClose(&handle_); }
  Owned(const Owned&) = delete;
  Owned& operator=(const Owned&) = delete;
  Handle* out() { return &handle_; }
  Handle get() const { return handle_; }

 private:
  Handle handle_ = {};
};
using Config = Owned<duckdb_config, duckdb_destroy_config>;
using Database = Owned<duckdb_database, duckdb_close>;
using Connection = Owned<duckdb_connection, duckdb_disconnect>;
using Statement = Owned<duckdb_prepared_statement, duckdb_destroy_prepare>;

class Result {
 public:
  Result() = default;
  ~Result() { duckdb_destroy_result(&result_); }
  Result(const Result&) = delete;
  Result& operator=(const Result&) = delete;
  duckdb_result* out() { return &result_; }
  duckdb_result get() const { return result_; }

 private:
  duckdb_result result_ = {};
};

// A database in memory that loads nothing from the network.
void open(Database& database, Connection& connection) {
  Config config;
  duckdb_create_config(config.out());
  for (const char* name : {"autoinstall_known_extensions", "autoload_known_extensions"})
    duckdb_set_config(config.get(), name, "false");
  duckdb_set_config(config.get(), "threads", "1");
  char* reason = nullptr;
  const bool is_open = duckdb_open_ext(":memory:", database.out(), config.get(), &reason) == DuckDBSuccess &&
                       duckdb_connect(database.get(), connection.out()) == DuckDBSuccess;
  const std::string why = reason == nullptr ? "no reason is given" : reason;
  duckdb_free(reason);
  if (!is_open) fail("DuckDB, which reads Parquet files, does not start: {}", why);
}

void append_texts(duckdb_data_chunk chunk, std::vector<std::string>& rows) {
  auto* texts = static_cast<duckdb_string_t*>(duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, 0)));
  for (idx_t i = 0; i < duckdb_data_chunk_get_size(chunk); ++i)
    rows.emplace_back(duckdb_string_t_data(&texts[i]), duckdb_string_t_length(texts[i]));
}

}  // namespace

std::vector<std::string> read_parquet(const std::filesystem::path& path) {
  Database database;
  Connection connection;
  open(database, connection);
  Statement statement;
  Result result;
  const char* query = "SELECT CAST(to_json(t) AS VARCHAR) FROM read_parquet(?) t";
  const bool is_prepared = duckdb_prepare(connection.get(), query, statement.out()) == DuckDBSuccess &&
                           duckdb_bind_varchar(statement.get(), 1, path.c_str()) == DuckDBSuccess;
  if (!is_prepared)
    fail("{} cannot be read as Parquet: {}", path.string(), duckdb_prepare_error(statement.get()));
  if (duckdb_execute_prepared(statement.get(), result.out()) != DuckDBSuccess)
    fail("{} cannot be read as Parquet: {}; is it whole?", path.string(), duckdb_result_error(result.out()));
  std::vector<std::string> rows;
  while (duckdb_data_chunk chunk = duckdb_fetch_chunk(result.get())) {
    append_texts(chunk, rows);
    duckdb_destroy_data_chunk(&chunk);
  }
  return rows;
}

}  // namespace poro
