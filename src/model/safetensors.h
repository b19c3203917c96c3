// The safetensors format: a JSON header with every tensor's type, shape and byte range, then the bytes. Read
// through a memory mapping after every claim of the header is checked; written atomically.
// huggingface/safetensors, format specification.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/tensor.h"

namespace poro {

struct SafetensorsEntry {
  std::string dtype;  // As the file spells it: "BF16", "F32", "I8", ...
  std::vector<int64_t> shape;
  uint64_t begin = 0, end = 0;  // Bytes, from the start of the file.
};

// The checked header of the file that `bytes` are. Throws Error naming `where` and the tensor.
std::map<std::string, SafetensorsEntry> parse_safetensors_header(
    std::span<const std::byte> bytes, const std::string& where,
    std::map<std::string, std::string>* metadata = nullptr);

class SafetensorsFile {
 public:
  explicit SafetensorsFile(const std::filesystem::path& path);

  const std::map<std::string, SafetensorsEntry>& entries() const { return entries_; }
  const std::filesystem::path& path() const { return path_; }
  // A view into the mapping; this object must outlive it. Throws Error when the tensor is missing or its type
  // is none of ours.
  Tensor tensor(const std::string& name);
  // The bytes of a tensor of any type. It is a bug to ask for one that is not there.
  std::span<const std::byte> bytes(const std::string& name) const;
  // The tensor is read again at most by chance: gives its pages back.
  void release(const Tensor& tensor) const { file_.release({tensor.data, tensor.bytes()}); }

 private:
  std::filesystem::path path_;
  MappedFile file_;
  std::map<std::string, SafetensorsEntry> entries_;
  std::vector<std::unique_ptr<std::byte[]>>
      aligned_copies_;  // Of tensors that a foreign writer put at odd addresses.
};

struct NamedTensor {
  std::string name;
  Tensor tensor;
};

// One file, atomically. `metadata` becomes "__metadata__" ({"format": "pt"} is what transformers expects). A
// repeated name or a type the format lacks is a bug.
void write_safetensors(const std::filesystem::path& path, std::span<const NamedTensor> tensors,
                       const std::map<std::string, std::string>& metadata);
// The same into a file that the caller commits.
void write_safetensors(AtomicFile& file, std::span<const NamedTensor> tensors,
                       const std::map<std::string, std::string>& metadata);

}  // namespace poro
