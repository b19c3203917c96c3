// Files: read whole, mapped, and written so that a reader sees either the old content or the new, never half
// of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace poro {

// The bytes of a file. Throws Error if it cannot be read or is longer than `max_bytes`.
std::string read_file(const std::filesystem::path& path, uint64_t max_bytes = uint64_t{4} << 30);

// Writes `bytes` beside `path`, syncs, and renames over it. Throws Error naming the path (a full disk, say)
// and leaves the old file.
void write_file_atomic(const std::filesystem::path& path, std::string_view bytes);

// A file written piece by piece under a temporary name; `commit` syncs it and gives it its name. Without
// commit it is removed.
class AtomicFile {
 public:
  explicit AtomicFile(std::filesystem::path path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(const void* data, size_t bytes);
  // Everything written so far is on the disk; what can fail for want of space has not failed. `commit` does
  // it too.
  void sync();
  void commit();

 private:
  std::filesystem::path path_, temporary_;
  int fd_ = -1;
};

// A read-only memory mapping of a whole file; shared, so several processes use the page cache once.
class MappedFile {
 public:
  explicit MappedFile(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;

  std::span<const std::byte> bytes() const { return {data_, size_}; }
  // These bytes of the mapping will hardly be read again: their pages no longer count as this process's
  // memory. Bytes outside the mapping are left alone.
  void release(std::span<const std::byte> part) const;

 private:
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace poro
