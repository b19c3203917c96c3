// SHA-1, SHA-256 and SHA-512 of data that comes piece by piece; the hub names its files by the first two.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

namespace poro {

class Digest {
 public:
  enum class Kind { kSha1, kSha256, kSha512 };

  explicit Digest(Kind kind);
  void update(std::string_view bytes);
  // The digest, and the same in hexadecimal, lower case. Nothing may follow.
  std::string bytes();
  std::string hex();

 private:
  struct Free {
    void operator()(void* context) const;
  };
  std::unique_ptr<void, Free> context_;
};

// SHA-256 in hexadecimal, of some bytes and of a file's.
std::string sha256(std::string_view bytes);
std::string sha256_of_file(const std::filesystem::path& path);
// What git calls the same bytes: SHA-1 of "blob <size>", a zero byte, and the bytes.
std::string git_blob_id_of_file(const std::filesystem::path& path);

}  // namespace poro
