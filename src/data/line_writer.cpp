#include "data/line_writer.h"

#include <zlib.h>
#include <zstd.h>

#include <vector>

#include "base/error.h"
#include "base/file.h"

namespace poro {
namespace {

constexpr size_t kBufferBytes = size_t{256} << 10;
constexpr int kZstdLevel = 15;  // Written once, carried and read often

}  // namespace

// Bytes before compression.
struct LineWriter::Sink {
  explicit Sink(const std::filesystem::path& path) : file(path) {}
  virtual ~Sink() = default;
  Sink(const Sink&) = delete;
  Sink& operator=(const Sink&) = delete;

  virtual void write(std::string_view bytes) = 0;
  virtual void finish() = 0;

  AtomicFile file;
  std::vector<char> buffer = std::vector<char>(kBufferBytes);
};

struct LineWriter::Plain final : LineWriter::Sink {
  using Sink::Sink;
  void write(std::string_view bytes) override {
    if (filled + bytes.size() > buffer.size()) flush();
    if (bytes.size() > buffer.size()) return file.write(bytes.data(), bytes.size());
    bytes.copy(buffer.data() + filled, bytes.size());
    filled += bytes.size();
  }
  void finish() override { flush(); }
  void flush() {
    file.write(buffer.data(), filled);
    filled = 0;
  }

  size_t filled = 0;
};

struct LineWriter::Gzip final : LineWriter::Sink {
  explicit Gzip(const std::filesystem::path& path) : Sink(path) {
    CHECK(deflateInit2(&state, Z_DEFAULT_COMPRESSION, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK,
          "zlib did not start");
  }
  ~Gzip() override { deflateEnd(&state); }

  void write(std::string_view bytes) override {
    state.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
    state.avail_in = static_cast<uInt>(bytes.size());
    while (state.avail_in > 0) step(Z_NO_FLUSH);
  }
  void finish() override {
    while (step(Z_FINISH) != Z_STREAM_END) continue;
  }
  int step(int flush) {
    state.next_out = reinterpret_cast<Bytef*>(buffer.data());
    state.avail_out = static_cast<uInt>(buffer.size());
    const int result = deflate(&state, flush);
    CHECK(result != Z_STREAM_ERROR, "deflate");
    file.write(buffer.data(), buffer.size() - state.avail_out);
    return result;
  }

  z_stream state{};
};

struct LineWriter::Zstd final : LineWriter::Sink {
  explicit Zstd(const std::filesystem::path& path) : Sink(path), state(ZSTD_createCStream()) {
    CHECK(state != nullptr && ZSTD_isError(ZSTD_initCStream(state, kZstdLevel)) == 0, "zstd did not start");
  }
  ~Zstd() override { ZSTD_freeCStream(state); }

  void write(std::string_view bytes) override {
    ZSTD_inBuffer in{bytes.data(), bytes.size(), 0};
    while (in.pos < in.size) step(in, ZSTD_e_continue);
  }
  void finish() override {
    ZSTD_inBuffer in{nullptr, 0, 0};
    while (step(in, ZSTD_e_end) != 0) continue;
  }
  size_t step(ZSTD_inBuffer& in, ZSTD_EndDirective directive) {
    ZSTD_outBuffer out{buffer.data(), buffer.size(), 0};
    const size_t left = ZSTD_compressStream2(state, &out, &in, directive);
    CHECK(ZSTD_isError(left) == 0, "{}", ZSTD_getErrorName(left));
    file.write(buffer.data(), out.pos);
    return left;
  }

  ZSTD_CStream* state;
};

LineWriter::LineWriter(const std::filesystem::path& path) {
  std::error_code error;
  if (path.has_parent_path()) std::filesystem::create_directories(path.parent_path(), error);
  if (error) fail("cannot make the folder {}: {}", path.parent_path().string(), error.message());
  const std::string ending = path.extension().string();
  if (ending == ".gz")
    sink_ = std::make_unique<Gzip>(path);
  else if (ending == ".zst")
    sink_ = std::make_unique<Zstd>(path);
  else
    sink_ = std::make_unique<Plain>(path);
}

LineWriter::~LineWriter() = default;

void LineWriter::write(std::string_view line) {
  sink_->write(line);
  sink_->write("\n");
}

void LineWriter::commit() {
  sink_->finish();
  sink_->file.commit();
}

}  // namespace poro
