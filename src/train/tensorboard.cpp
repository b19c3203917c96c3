#include "train/tensorboard.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <bit>
#include <cerrno>
#include <chrono>
#include <cstring>

#include "base/error.h"
#include "base/log.h"

namespace poro {
namespace {

// Protocol buffers: a field is its number and wire type, then the value.
void put_varint(std::string& to, uint64_t value) {
  for (; value >= 128; value >>= 7) to += static_cast<char>(value | 128);
  to += static_cast<char>(value);
}
template <class T>
void put_raw(std::string& to, T value) {
  to.append(reinterpret_cast<const char*>(&value), sizeof value);
}
void put_integer(std::string& to, int field, int64_t value) {
  put_varint(to, static_cast<uint64_t>(field) << 3);
  put_varint(to, static_cast<uint64_t>(value));
}
void put_bytes(std::string& to, int field, std::string_view bytes) {
  put_varint(to, static_cast<uint64_t>(field) << 3 | 2);
  put_varint(to, bytes.size());
  to += bytes;
}
void put_double(std::string& to, int field, double value) {
  put_varint(to, static_cast<uint64_t>(field) << 3 | 1);
  put_raw(to, value);
}
void put_float(std::string& to, int field, float value) {
  put_varint(to, static_cast<uint64_t>(field) << 3 | 5);
  put_raw(to, value);
}

// Event: wall_time = 1, step = 2, file_version = 3, summary = 5, session_log = 7.
std::string event_at(int64_t step) {
  std::string event;
  put_double(event, 1,
             std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count());
  put_integer(event, 2, step);
  return event;
}

uint32_t masked(uint32_t crc) {
  return std::rotr(crc, 15) + 0xa282ead8u;
}

}  // namespace

uint32_t crc32c(std::string_view bytes) {
  static constexpr std::array<uint32_t, 256> kTable = [] {
    std::array<uint32_t, 256> table{};
    for (uint32_t byte = 0; byte < 256; ++byte) {
      uint32_t crc = byte;
      for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ ((crc & 1) != 0 ? 0x82f63b78u : 0);
      table[byte] = crc;
    }
    return table;
  }();
  uint32_t crc = 0xffffffffu;
  for (const char byte : bytes) crc = crc >> 8 ^ kTable[(crc ^ static_cast<unsigned char>(byte)) & 255u];
  return ~crc;
}

TensorBoardLog::TensorBoardLog(const std::filesystem::path& folder, int64_t first_step) {
  std::filesystem::create_directories(folder);
  const auto seconds =
      std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch())
          .count();
  // TensorBoard reads a folder's files in the order of their names.
  const std::filesystem::path path =
      folder / fmt::format("events.out.tfevents.{}.{}.poro", seconds, ::getpid());
  fd_ = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (fd_ < 0) fail("cannot write {}: {}", path.string(), std::strerror(errno));
  std::string version = event_at(0);
  put_bytes(version, 3, "brain.Event:2");
  write_event(version);
  if (first_step == 0) return;
  constexpr int64_t kStart = 1;
  std::string session, start = event_at(first_step);
  put_integer(session, 1, kStart);
  put_bytes(start, 7, session);
  write_event(start);
}

TensorBoardLog::~TensorBoardLog() {
  ::close(fd_);
}

void TensorBoardLog::write(int64_t step, std::span<const Scalar> scalars) {
  std::string summary;
  for (const auto& [tag, scalar] : scalars) {
    std::string value;
    put_bytes(value, 1, tag);
    put_float(value, 2, static_cast<float>(scalar));
    put_bytes(summary, 1, value);
  }
  std::string event = event_at(step);
  put_bytes(event, 5, summary);
  write_event(event);
}

void TensorBoardLog::write_event(const std::string& event) {
  std::string length, frame;
  put_raw(length, static_cast<uint64_t>(event.size()));
  frame = length;
  put_raw(frame, masked(crc32c(length)));
  frame += event;
  put_raw(frame, masked(crc32c(event)));
  // metrics.jsonl says it when the disk is full; a frame that is cut short ends the file for TensorBoard, and
  // the run goes on.
  if (::write(fd_, frame.data(), frame.size()) < 0) return;
}

}  // namespace poro
