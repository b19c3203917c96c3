#include "apps/line_blocks.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <cstdio>
#include <cstring>
#include <exception>
#include <mutex>
#include <stdexcept>
#include <vector>

#include "apps/jsonl.h"
#include "base/error.h"

namespace poro {
namespace {

constexpr size_t kReadBytes = size_t{256} << 10;

// Appends what one call of read gives; false at the end.
bool read_more(int input, std::string& bytes) {
  const size_t before = bytes.size();
  bytes.resize(before + kReadBytes);
  ssize_t count = -1;
  while ((count = ::read(input, bytes.data() + before, kReadBytes)) < 0 && errno == EINTR) {
  }
  if (count < 0) throw std::runtime_error(fmt::format("cannot read the input: {}", std::strerror(errno)));
  bytes.resize(before + static_cast<size_t>(count));
  return count > 0;
}

// Whole lines, or one that is too long and left out.
struct Block {
  std::string bytes;
  int64_t first_line = 0;
  bool is_too_long = false;
};

class BlockReader {
 public:
  explicit BlockReader(int input) : input_(input) {}

  // False at the end.
  bool next(Block& block) {
    block.first_line = line_;
    block.is_too_long = false;
    block.bytes = std::move(rest_);
    rest_.clear();
    size_t searched = 0;
    bool has_more = true;
    while (true) {
      const size_t newline = std::string_view(block.bytes).substr(searched).rfind('\n');
      if (newline != std::string_view::npos) return cut(block, searched + newline + 1);
      if (!has_more) return !block.bytes.empty() || block.is_too_long;
      if (block.bytes.size() > JsonlReader::kMaxLineBytes) {
        block.is_too_long = true;
        block.bytes.clear();
      }
      searched = block.bytes.size();
      has_more = read_more(input_, block.bytes);
    }
  }

 private:
  // Leaves what is behind the block's lines for the next one. A line that is too long is a block of its own.
  bool cut(Block& block, size_t end) {
    if (block.is_too_long) end = block.bytes.find('\n') + 1;
    rest_.assign(block.bytes, end, std::string::npos);
    block.bytes.resize(block.is_too_long ? 0 : end);
    line_ += block.is_too_long ? 1 : std::count(block.bytes.begin(), block.bytes.end(), '\n');
    return true;
  }

  int input_;
  std::string rest_;
  int64_t line_ = 1;
};

// What the threads share.
class LineBlocks {
 public:
  explicit LineBlocks(int input) : reader_(input) {}

  // One thread's part, until there is no more input, or a failure of the machine.
  void work(const LineAnswer& answer) {
    Block block;
    try {
      while (const int64_t turn = take(block)) {
        std::string out;
        std::vector<std::string> failures;
        try {
          answer_block(block, answer, out, failures);
        } catch (...) {
          fail_with(std::current_exception());
        }
        put(turn, out, std::move(failures));
      }
    } catch (...) {
      fail_with(std::current_exception());
    }
  }

  void finish() {
    if (exception_) std::rethrow_exception(exception_);
    if (num_failures_ == 1) throw Error(first_failure_);
    if (num_failures_ > 1)
      fail("{} (and {} more line{} failed)", first_failure_, num_failures_ - 1,
           num_failures_ == 2 ? "" : "s");
  }

 private:
  // The number of the block, from 1 on; 0: none is left.
  int64_t take(Block& block) {
    const std::lock_guard lock(reading_);
    return !has_failed_ && reader_.next(block) ? ++num_taken_ : 0;
  }

  static void answer_block(Block& block, const LineAnswer& answer, std::string& out,
                           std::vector<std::string>& failures) {
    int64_t number = block.first_line;
    const auto refuse = [&](std::string_view why) {
      failures.push_back(fmt::format("standard input, line {}: {}", number, why));
      out += Json{{"error", failures.back()}}.dump(-1, ' ', false, Json::error_handler_t::replace);
      out += '\n';
    };
    if (block.is_too_long)
      return refuse(fmt::format("the line is longer than {} MiB", JsonlReader::kMaxLineBytes >> 20));
    const size_t size = block.bytes.size();
    block.bytes.append(kLinePadding, '\0');
    for (size_t at = 0; at < size; ++number) {
      const size_t end = std::min(block.bytes.find('\n', at), size);
      const std::string_view line = std::string_view(block.bytes).substr(at, end - at);
      at = end + 1;
      if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
      const size_t before = out.size();
      try {
        answer(line, out);
        out += '\n';
      } catch (const Error& error) {
        out.resize(before);
        refuse(error.what());
      }
    }
  }

  // Writes the answers of block `turn` when those before it are written.
  void put(int64_t turn, const std::string& out, std::vector<std::string> failures) {
    std::unique_lock lock(writing_);
    is_next_.wait(lock, [&] { return num_put_ == turn - 1; });
    num_put_ = turn;
    is_next_.notify_all();
    if (!failures.empty() && num_failures_ == 0) first_failure_ = std::move(failures[0]);
    num_failures_ += static_cast<int64_t>(failures.size());
    if (std::fwrite(out.data(), 1, out.size(), stdout) != out.size() || std::fflush(stdout) != 0)
      throw std::runtime_error("cannot write to standard output");
  }

  void fail_with(const std::exception_ptr& exception) {
    const std::lock_guard lock(writing_);
    if (!has_failed_.exchange(true)) exception_ = exception;
  }

  std::mutex reading_, writing_;
  BlockReader reader_;     // Under reading_,
  int64_t num_taken_ = 0;  // as is this. What follows is under writing_.
  std::condition_variable is_next_;
  int64_t num_put_ = 0, num_failures_ = 0;
  std::string first_failure_;
  std::exception_ptr exception_;
  std::atomic<bool> has_failed_{false};
};

}  // namespace

void answer_line_blocks(int input, ThreadPool& pool, const std::function<LineAnswer()>& make_answer) {
  LineBlocks blocks(input);
  pool.run([&](int) { blocks.work(make_answer()); });
  blocks.finish();
}

std::string read_to_end(int input) {
  std::string bytes;
  while (read_more(input, bytes)) {
  }
  return bytes;
}

}  // namespace poro
