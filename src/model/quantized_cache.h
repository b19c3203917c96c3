// Quantised matrices kept on disk, so that the next start copies them into memory instead of quantising
// again. One safetensors file per checkpoint and type, named by a hash of what its content depends on; a file
// that does not fit is made anew.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "model/checkpoint.h"

namespace poro {

class QuantizedCache {
 public:
  struct Kind {
    DType dtype = DType::kI8;  // kI8 or kI4
    int rank = 0, ranks = 1;   // Whose part of the matrices
  };
  // The cache of `checkpoint` in `folder`, which is made when something is kept. The name covers the layout
  // of the blocks and each weight file's path, size and time of change.
  QuantizedCache(const std::filesystem::path& folder, const Checkpoint& checkpoint, const Kind& kind);

  // Whether a file is there. Its matrices are then asked for by name.
  bool is_filled() const { return file_.has_value(); }
  // Copies the blocks of a matrix into `target`; false when the file has no such blocks.
  bool read(ThreadPool& pool, const std::string& name, const Matrix& target);
  // Writes the matrices, by name. A full disk is a warning: the model is in memory already.
  void keep(const std::map<std::string, Matrix>& matrices) const;

 private:
  std::filesystem::path path_;
  std::optional<SafetensorsFile> file_;
};

}  // namespace poro
