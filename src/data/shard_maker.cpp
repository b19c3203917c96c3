// Makes a shard: blocks of lines go to threads, and come back in the order of the file. The work happens in a
// folder of its own whose lock says that someone is at it; the finished folder gets its name in one rename.
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>

#include "base/digest.h"
#include "base/error.h"
#include "base/json.h"
#include "base/log.h"
#include "base/progress.h"
#include "data/line_reader.h"
#include "data/shard.h"

namespace poro {
namespace {

namespace fs = std::filesystem;

// A folder under construction. Without `finish` it is removed; one that a killed run left behind is removed
// by the next.
class ShardFolder {
 public:
  explicit ShardFolder(const fs::path& target) : target_(target) {
    std::error_code error;
    fs::create_directories(target.parent_path(), error);
    if (error) fail("cannot make the folder {}: {}", target.parent_path().string(), error.message());
    remove_abandoned();
    std::string pattern = target.string() + ".partial-XXXXXX";
    if (::mkdtemp(pattern.data()) == nullptr)
      fail("cannot make a folder in {}: {}", target.parent_path().string(), std::strerror(errno));
    path_ = pattern;
    // Locked before it has its name, or another run could take it for abandoned in between.
    const fs::path unnamed = path_ / "lock.new";
    lock_ = ::open(unnamed.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (lock_ < 0 || ::flock(lock_, LOCK_EX) != 0 || ::rename(unnamed.c_str(), (path_ / "lock").c_str()) != 0)
      fail("cannot lock {}: {}", path_.string(), std::strerror(errno));
  }
  ~ShardFolder() {
    if (lock_ >= 0) ::close(lock_);
    std::error_code ignored;
    if (!path_.empty()) fs::remove_all(path_, ignored);
  }
  ShardFolder(const ShardFolder&) = delete;
  ShardFolder& operator=(const ShardFolder&) = delete;

  const fs::path& path() const { return path_; }

  // Gives the folder its name, unless another run was faster: its shard is the same.
  void finish() {
    fs::remove(path_ / "lock");
    if (::rename(path_.c_str(), target_.c_str()) == 0)
      path_.clear();
    else if (errno != ENOTEMPTY && errno != EEXIST)
      fail("cannot rename {} to {}: {}", path_.string(), target_.string(), std::strerror(errno));
  }

 private:
  void remove_abandoned() {
    const std::string prefix = target_.filename().string() + ".partial-";
    for (const auto& entry : fs::directory_iterator(target_.parent_path())) {
      if (!entry.path().filename().string().starts_with(prefix)) continue;
      const int lock = ::open((entry.path() / "lock").c_str(), O_RDWR | O_CLOEXEC);
      if (lock < 0) continue;  // Not yet locked, or about to get its name.
      std::error_code ignored;
      if (::flock(lock, LOCK_EX | LOCK_NB) == 0) fs::remove_all(entry.path(), ignored);
      ::close(lock);
    }
  }

  fs::path target_, path_;
  int lock_ = -1;
};

// What one block of lines became.
struct EncodedBlock {
  std::vector<uint32_t> tokens;
  std::vector<uint64_t> lengths;
  RowStatistics statistics;
  std::vector<std::string> problems;

  void clear() {
    tokens.clear();
    lengths.clear();
    statistics = {};
    problems.clear();
  }
};

class BlockEncoder {
 public:
  BlockEncoder(const ShardRequest& request, const RowEncoder& encoder)
      : request_(request), encoder_(encoder) {}

  void encode(const LineBlock& lines, EncodedBlock& block) {
    block.clear();
    for_lines(lines, [&](std::string_view line, int64_t number) {
      if (line.find_first_not_of(" \t") == line.npos) return;
      ++block.statistics.lines;
      try {
        add(parser_.parse(line), block);
      } catch (const Error& error) {
        ++block.statistics.malformed;
        block.problems.push_back(
            fmt::format("{}, line {}: {}", request_.source.string(), number, error.what()));
      }
    });
  }

 private:
  void add(const Record& record, EncodedBlock& block) {
    if (record.is_pair() && request_.kind == RowKind::kRows)
      fail("it is a preference (\"chosen\", \"rejected\"), which is for stage = \"dpo\"");
    if (!record.is_pair() && request_.kind == RowKind::kPairs)
      fail("stage = \"dpo\" needs preferences: \"prompt\", \"chosen\" and \"rejected\", or their ids");
    const std::vector<EncodedRow> rows = encoder_.encode(record);
    // The first token of a row is the target of none, unless rows run on; a row with no other that counts
    // teaches nothing.
    for (const EncodedRow& row : rows)
      if (row.tokens.size() < 2 || std::none_of(row.tokens.begin() + 1, row.tokens.end(), is_counted))
        return void(++block.statistics.uncounted);
    ++block.statistics.rows;
    LanguageCount& language = block.statistics.languages[record.language];
    for (const EncodedRow& row : rows) {
      block.tokens.insert(block.tokens.end(), row.tokens.begin(), row.tokens.end());
      block.lengths.push_back(row.tokens.size());
      block.statistics.tokens += static_cast<int64_t>(row.tokens.size());
      block.statistics.counted += std::count_if(row.tokens.begin() + 1, row.tokens.end(), is_counted);
      if (row.words > 0) language.tokens += static_cast<int64_t>(row.tokens.size());
      language.words += row.words;
    }
  }

  const ShardRequest& request_;
  const RowEncoder& encoder_;
  RecordParser parser_;
};

// Takes blocks in the order of the file.
class ShardWriter {
 public:
  ShardWriter(const fs::path& folder, const ShardRequest& request)
      : tokens_(folder / "tokens"), offsets_(folder / "offsets"), request_(request) {
    const uint64_t zero = 0;
    offsets_.write(&zero, sizeof zero);
  }

  void add(const EncodedBlock& block) {
    if (!block.problems.empty() && request_.malformed == Malformed::kStop)
      fail("{}; correct the line, or skip such lines with data.malformed = \"skip\"", block.problems.front());
    for (const std::string& problem : block.problems)
      if (said_++ < kMaxSaid) warn("{}; the line is skipped", problem);
    std::vector<uint64_t> ends;
    for (const uint64_t length : block.lengths) ends.push_back(end_ += length);
    tokens_.write(block.tokens.data(), block.tokens.size() * sizeof(uint32_t));
    offsets_.write(ends.data(), ends.size() * sizeof(uint64_t));
    statistics_.add(block.statistics);
  }

  void finish(const fs::path& folder, const std::string& key) {
    if (said_ > kMaxSaid)
      warn("{}: {} more malformed lines are skipped", request_.source.string(), said_ - kMaxSaid);
    const std::string source = request_.source.string();
    if (statistics_.lines == 0) fail("{} is empty; a source has at least one line", source);
    if (statistics_.rows == 0)
      fail(
          "{} has no row with a token that the loss counts ({} lines, {} malformed); check data.loss_on and "
          "the labels",
          source, statistics_.lines, statistics_.malformed);
    tokens_.commit();
    offsets_.commit();
    const nlohmann::ordered_json meta = {{"key", key},
                                         {"kind", request_.kind == RowKind::kPairs ? "pairs" : "rows"},
                                         {"source", source},
                                         {"statistics", statistics_.to_json()}};
    write_file_atomic(folder / "meta.json", meta.dump(2) + "\n");
  }

 private:
  static constexpr int64_t kMaxSaid = 5;

  AtomicFile tokens_, offsets_;
  const ShardRequest& request_;
  RowStatistics statistics_;
  uint64_t end_ = 0;
  int64_t said_ = 0;
};

std::string key_of(const ShardRequest& request, const RowEncoder& encoder) {
  Digest digest(Digest::Kind::kSha256);
  digest.update(encoder.identity());
  digest.update(fmt::format("shard 1\nkind {}\nmalformed {}\nsource {}\n", static_cast<int>(request.kind),
                            choice_name(request.malformed), sha256_of_file(request.source)));
  return digest.hex();
}

void make_shard(const fs::path& folder, const ShardRequest& request, const RowEncoder& encoder,
                const std::string& key, ThreadPool& pool) {
  constexpr size_t kBlocksPerThread = 4;
  LineReader reader(request.source);
  ShardWriter writer(folder, request);
  std::vector<LineBlock> lines(static_cast<size_t>(pool.size()) * kBlocksPerThread);
  std::vector<EncodedBlock> encoded(lines.size());
  std::vector<BlockEncoder> encoders;
  encoders.reserve(static_cast<size_t>(pool.size()));
  for (int thread = 0; thread < pool.size(); ++thread) encoders.emplace_back(request, encoder);
  Progress progress("tokenising " + request.source.filename().string(), fs::file_size(request.source),
                    ProgressUnit::kBytes);
  uint64_t reported = 0;
  while (true) {
    size_t count = 0;
    while (count < lines.size() && reader.next(lines[count])) ++count;
    std::atomic<size_t> next{0};
    pool.run([&](int thread) {
      for (size_t at = next++; at < count; at = next++)
        encoders[static_cast<size_t>(thread)].encode(lines[at], encoded[at]);
    });
    for (size_t at = 0; at < count; ++at) writer.add(encoded[at]);
    progress.add(reader.bytes_read() - reported);
    reported = reader.bytes_read();
    if (count < lines.size()) break;
  }
  writer.finish(folder, key);
}

}  // namespace

Shard open_or_make_shard(const ShardRequest& request, const RowEncoder& encoder, ThreadPool& pool) {
  if (!fs::exists(request.source))
    fail("there is no file {}; check the path in data.sources", request.source.string());
  const std::string key = key_of(request, encoder);
  const fs::path target = request.cache / key.substr(0, 32);
  if (!fs::exists(target / "meta.json")) {
    ShardFolder folder(target);
    make_shard(folder.path(), request, encoder, key, pool);
    folder.finish();
  }
  return Shard::open(target);
}

}  // namespace poro
