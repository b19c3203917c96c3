// The counterpart of LineReader: JSON Lines to a file that may be compressed (.gz, .zst by its ending), which
// has its name only once it is whole.
#pragma once

#include <filesystem>
#include <memory>
#include <string_view>

namespace poro {

class LineWriter {
 public:
  // Makes the folder of `path` where it is missing. Throws Error.
  explicit LineWriter(const std::filesystem::path& path);
  ~LineWriter();
  LineWriter(const LineWriter&) = delete;
  LineWriter& operator=(const LineWriter&) = delete;

  // One line, without its end.
  void write(std::string_view line);
  // Ends the file and gives it its name; without it nothing is left behind.
  void commit();

 private:
  struct Sink;
  struct Plain;
  struct Gzip;
  struct Zstd;

  std::unique_ptr<Sink> sink_;
};

}  // namespace poro
