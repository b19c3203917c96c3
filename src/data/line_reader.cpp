#include "data/line_reader.h"

#include <fcntl.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/error.h"

namespace poro {

// Bytes of the file after decompression.
struct LineReader::Stream {
  explicit Stream(const std::filesystem::path& path)
      : name(path.string()), fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
    if (fd < 0) fail("cannot open {}: {}", name, std::strerror(errno));
    if (std::filesystem::is_directory(path)) fail("{} is a folder; name the files in it", name);
  }
  virtual ~Stream() {
    if (fd >= 0) ::close(fd);
  }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  // Up to `capacity` bytes; 0 at the end.
  virtual size_t read(char* to, size_t capacity) = 0;

  size_t read_stored(char* to, size_t capacity) {
    while (true) {
      const ssize_t got = ::read(fd, to, capacity);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) fail("cannot read {}: {}", name, std::strerror(errno));
      stored_bytes += static_cast<uint64_t>(got);
      return static_cast<size_t>(got);
    }
  }

  const std::string name;
  const int fd;
  uint64_t stored_bytes = 0;
};

struct LineReader::Plain final : LineReader::Stream {
  using Stream::Stream;
  size_t read(char* to, size_t capacity) override { return read_stored(to, capacity); }
};

// One or more gzip members, as `cat a.gz b.gz` makes them.
struct LineReader::Gzip final : LineReader::Stream {
  explicit Gzip(const std::filesystem::path& path) : Stream(path) {
    CHECK(inflateInit2(&state, 15 + 16) == Z_OK, "zlib did not start");
  }
  ~Gzip() override { inflateEnd(&state); }

  size_t read(char* to, size_t capacity) override {
    state.next_out = reinterpret_cast<Bytef*>(to);
    state.avail_out = static_cast<uInt>(capacity);
    while (state.avail_out == capacity) {
      if (state.avail_in == 0) {
        state.next_in = reinterpret_cast<Bytef*>(stored.data());
        state.avail_in = static_cast<uInt>(read_stored(stored.data(), stored.size()));
        if (state.avail_in == 0) {
          if (is_inside) fail("{} ends in the middle of its compressed data; fetch or write it again", name);
          return 0;
        }
      }
      is_inside = true;
      const int result = inflate(&state, Z_NO_FLUSH);
      if (result == Z_STREAM_END) {
        is_inside = false;
        inflateReset(&state);
      } else if (result != Z_OK && result != Z_BUF_ERROR) {
        fail("{} is damaged, or not gzip: {}", name, state.msg != nullptr ? state.msg : "bad data");
      }
    }
    return capacity - state.avail_out;
  }

  z_stream state{};
  bool is_inside = false;
  std::vector<char> stored = std::vector<char>(size_t{256} << 10);
};

struct LineReader::Zstd final : LineReader::Stream {
  explicit Zstd(const std::filesystem::path& path) : Stream(path), state(ZSTD_createDStream()) {
    CHECK(state != nullptr, "zstd did not start");
  }
  ~Zstd() override { ZSTD_freeDStream(state); }

  size_t read(char* to, size_t capacity) override {
    ZSTD_outBuffer out{to, capacity, 0};
    while (out.pos == 0) {
      if (in.pos == in.size) {
        in = {stored.data(), read_stored(stored.data(), stored.size()), 0};
        if (in.size == 0) {
          if (is_inside) fail("{} ends in the middle of its compressed data; fetch or write it again", name);
          return 0;
        }
      }
      const size_t result = ZSTD_decompressStream(state, &out, &in);
      if (ZSTD_isError(result) != 0) fail("{} is damaged, or not zstd: {}", name, ZSTD_getErrorName(result));
      is_inside = result != 0;
    }
    return out.pos;
  }

  ZSTD_DStream* state;
  bool is_inside = false;
  std::vector<char> stored = std::vector<char>(size_t{256} << 10);
  ZSTD_inBuffer in{nullptr, 0, 0};
};

LineReader::LineReader(const std::filesystem::path& path) : path_(path) {
  const std::string ending = path.extension().string();
  if (ending == ".gz")
    stream_ = std::make_unique<Gzip>(path);
  else if (ending == ".zst")
    stream_ = std::make_unique<Zstd>(path);
  else
    stream_ = std::make_unique<Plain>(path);
}

LineReader::~LineReader() = default;

uint64_t LineReader::bytes_read() const {
  return stream_->stored_bytes;
}

bool LineReader::next(LineBlock& block) {
  std::string& text = block.text;
  text = std::move(rest_);
  rest_.clear();
  size_t searched = 0, end = std::string::npos;  // The end of the last whole line.
  bool is_at_end = false;
  while (!is_at_end && (text.size() < kBlockBytes || end == std::string::npos)) {
    const size_t filled = text.size(), piece = size_t{256} << 10;
    text.resize(filled + piece);
    const size_t got = stream_->read(text.data() + filled, piece);
    text.resize(filled + got);
    is_at_end = got == 0;
    if (const size_t newline = text.rfind('\n'); newline != text.npos && newline >= searched) end = newline;
    searched = text.size();
    if (end == std::string::npos && text.size() > kMaxLineBytes)
      fail("{}, line {}: the line is longer than {} MiB", path_.string(), next_line_, kMaxLineBytes >> 20);
  }
  if (!is_at_end) {
    rest_ = text.substr(end + 1);
    text.resize(end + 1);
  }
  block.first_line = next_line_;
  next_line_ += std::count(text.begin(), text.end(), '\n');
  const bool has_lines = !text.empty();
  text.append(LineBlock::kPadding, '\0');
  return has_lines;
}

}  // namespace poro
