// Scalars for TensorBoard: its event files, protocol buffers in TFRecord frames, written by hand because two
// messages of three fields each are all there is to write. tensorflow/core/util/event.proto;
// tensorflow/core/lib/io/record_writer.h.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <utility>

namespace poro {

class TensorBoardLog {
 public:
  // A new events file in the folder, which is made if needed. A run that goes on says at which step, and
  // TensorBoard forgets what earlier files hold from there on. Throws Error.
  TensorBoardLog(const std::filesystem::path& folder, int64_t first_step);
  ~TensorBoardLog();
  TensorBoardLog(const TensorBoardLog&) = delete;
  TensorBoardLog& operator=(const TensorBoardLog&) = delete;

  using Scalar = std::pair<std::string, double>;
  void write(int64_t step, std::span<const Scalar> scalars);

 private:
  void write_event(const std::string& event);

  int fd_ = -1;
};

// CRC-32C (Castagnoli), as the frames carry it.
uint32_t crc32c(std::string_view bytes);

}  // namespace poro
