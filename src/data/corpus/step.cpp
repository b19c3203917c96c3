#include "data/corpus/step.h"

#include <atomic>
#include <optional>

#include "base/error.h"
#include "base/progress.h"
#include "data/line_reader.h"
#include "data/line_writer.h"

namespace poro {
namespace {

namespace fs = std::filesystem;

// What a block of lines became.
struct JudgedBlock {
  std::vector<Document> documents;
  std::vector<int64_t> bytes;  // Of text as it came, of each
  std::string problem;         // The first
};

int64_t text_bytes(const Document& document) {
  int64_t bytes = 0;
  for (const std::string* text : texts_of(const_cast<Document&>(document))) bytes += std::ssize(*text);
  return bytes;
}

void judge_block(const DataStep& step, const fs::path& file, const LineBlock& lines, JudgedBlock& block) {
  block = {};
  for_lines(lines, [&](std::string_view line, int64_t number) {
    if (!block.problem.empty() || line.find_first_not_of(" \t") == line.npos) return;
    try {
      Document document = parse_document(line);
      block.bytes.push_back(text_bytes(document));
      step.judge(document);
      block.documents.push_back(std::move(document));
    } catch (const Error& error) {
      block.problem =
          fmt::format("{}, line {}: {}; correct or remove the line", file.string(), number, error.what());
    }
  });
}

class StepRun {
 public:
  StepRun(DataStep& step, const CorpusFiles& files, ThreadPool& pool) : step_(step), pool_(pool) {
    for (const fs::path& output : files.outputs) {
      for (const fs::path& input : files.inputs)
        if (fs::exists(output) && fs::exists(input) && fs::equivalent(input, output))
          fail("{} is read and written at once; give --out another name", output.string());
      writers_.push_back(std::make_unique<LineWriter>(output));
    }
    if (!files.removed.empty()) removed_.emplace(files.removed);
  }

  void read(const fs::path& file) {
    if (!fs::exists(file)) fail("there is no file {}", file.string());
    constexpr size_t kBlocksPerThread = 4;
    LineReader reader(file);
    std::vector<LineBlock> lines(static_cast<size_t>(pool_.size()) * kBlocksPerThread);
    std::vector<JudgedBlock> judged(lines.size());
    Progress progress(file.filename().string(), fs::file_size(file), ProgressUnit::kBytes);
    for (uint64_t reported = 0;;) {
      size_t count = 0;
      while (count < lines.size() && reader.next(lines[count])) ++count;
      std::atomic<size_t> next{0};
      pool_.run([&](int) {
        for (size_t at = next++; at < count; at = next++) judge_block(step_, file, lines[at], judged[at]);
      });
      for (size_t at = 0; at < count; ++at) write(judged[at]);
      progress.add(reader.bytes_read() - reported);
      reported = reader.bytes_read();
      if (count < lines.size()) break;
    }
  }

  StepReport finish() {
    for (const auto& writer : writers_) writer->commit();
    if (removed_) removed_->commit();
    return report_;
  }

 private:
  void write(JudgedBlock& block) {
    if (!block.problem.empty()) fail("{}", block.problem);
    for (size_t i = 0; i < block.documents.size(); ++i) {
      Document& document = block.documents[i];
      if (document.removed.empty()) step_.decide(document);
      add(report_.in, block.bytes[i]);
      if (document.removed.empty()) {
        add(report_.out, text_bytes(document));
        writers_[static_cast<size_t>(document.part)]->write(document.fields.dump());
        continue;
      }
      add(report_.removed[document.removed], block.bytes[i]);
      if (!removed_) continue;
      document.fields["removed"] = document.removed;
      removed_->write(document.fields.dump());
    }
  }

  static void add(StepReport::Count& count, int64_t bytes) {
    ++count.documents;
    count.bytes += bytes;
  }

  DataStep& step_;
  ThreadPool& pool_;
  std::vector<std::unique_ptr<LineWriter>> writers_;
  std::optional<LineWriter> removed_;
  StepReport report_;
};

nlohmann::ordered_json count_json(const StepReport::Count& count) {
  return {{"documents", count.documents}, {"bytes", count.bytes}};
}

}  // namespace

nlohmann::ordered_json StepReport::to_json() const {
  nlohmann::ordered_json json = {{"in", count_json(in)}, {"out", count_json(out)}};
  json["removed"] = nlohmann::ordered_json::object();
  for (const auto& [reason, count] : removed) json["removed"][reason] = count_json(count);
  return json;
}

StepReport run_step(DataStep& step, const CorpusFiles& files, ThreadPool& pool) {
  StepRun run(step, files, pool);
  for (const fs::path& file : files.inputs) run.read(file);
  return run.finish();
}

}  // namespace poro
