// Reading: what is there, whether it is whole, and its pieces into the shards of this run, however they are
// cut.
#include <algorithm>
#include <charconv>
#include <map>

#include "base/digest.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "train/checkpoint.h"

namespace poro {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr uint64_t kMaxJsonBytes = uint64_t{1} << 30;
constexpr std::string_view kPrefix = "step-", kPartial = ".partial";

std::optional<int64_t> step_of(const fs::path& folder) {
  const std::string name = folder.filename().string();
  int64_t step = 0;
  if (!name.starts_with(kPrefix)) return std::nullopt;
  const char *begin = name.data() + kPrefix.size(), *end = name.data() + name.size();
  const auto [at, error] = std::from_chars(begin, end, step);
  return error == std::errc() && at == end ? std::optional(step) : std::nullopt;
}

Json parse(const fs::path& path) {
  Json json = Json::parse(read_file(path, kMaxJsonBytes), nullptr, false);
  if (json.is_discarded()) fail("{} is damaged", path.string());
  return json;
}

// The manifest, its hash checked.
Json read_manifest(const fs::path& folder) {
  const fs::path path = folder / "checkpoint.json";
  const Json json = parse(path);
  Digest digest(Digest::Kind::kSha256);
  digest.update(json.value("manifest", Json()).dump());
  if (json.value("sha256", "") != digest.hex()) fail("{} does not have the hash it names", path.string());
  return json["manifest"];
}

// One rank's file: the pieces, and their bytes once they are checked.
struct RankFile {
  Json index;
  fs::path path;
};

std::vector<RankFile> read_ranks(const fs::path& folder, const Json& manifest) {
  std::vector<RankFile> files;
  for (const auto& [name, hash] : manifest.at("files").items()) {
    const fs::path path = folder / name;
    if (sha256_of_file(path) != hash) fail("{} does not have the hash it should have", path.string());
    files.push_back({.index = parse(path), .path = fs::path(path).replace_extension(".state")});
  }
  if (files.empty()) fail("{} holds no state", folder.string());
  return files;
}

void check_bytes(const RankFile& file) {
  if (fs::file_size(file.path) != file.index.at("bytes").get<uint64_t>() ||
      sha256_of_file(file.path) != file.index.at("sha256"))
    fail("{} does not have the hash it should have", file.path.string());
}

// Whether the folder is a whole checkpoint; a sentence why not. Every rank checks some of the files.
std::string complaint(const fs::path& folder, Comm& world) {
  std::string problem;
  try {
    const std::vector<RankFile> files = read_ranks(folder, read_manifest(folder));
    for (size_t i = static_cast<size_t>(world.rank()); i < files.size();
         i += static_cast<size_t>(world.size()))
      check_bytes(files[i]);
  } catch (const std::exception& error) {
    problem = error.what();
  }
  if (!world.is_any(!problem.empty())) return "";
  return problem.empty() ? "another rank found it damaged" : problem;
}

DType dtype_of(const std::string& name) {
  for (const DType dtype : {DType::kF64, DType::kF32, DType::kBF16})
    if (name == dtype_name(dtype)) return dtype;
  fail("a checkpoint holds values of type {}, which this program does not write", name);
}

// A stretch of one weight in a mapped file.
struct Stretch {
  int64_t first = 0, count = 0;
  Tensor master, moment1, moment2;
};

void copy_overlap(const Stretch& from, const Shards::Owned& to) {
  const int64_t first = std::max(from.first, to.first),
                last = std::min(from.first + from.count, to.first + to.master.elements());
  const auto copy = [&](const Tensor& source, const Tensor& target) {
    for (int64_t i = first; i < last; ++i)
      store_element(target, i - to.first, load_element(source, i - from.first));
  };
  copy(from.master, to.master);
  copy(from.moment1, to.moment1);
  copy(from.moment2, to.moment2);
}

void load_pieces(const fs::path& folder, const std::vector<RankFile>& files, Shards& shards) {
  std::vector<MappedFile> mapped;
  std::map<std::string, std::vector<Stretch>> stretches;
  std::map<std::string, std::string> shapes;
  for (const RankFile& file : files) {
    std::byte* at = const_cast<std::byte*>(mapped.emplace_back(file.path).bytes().data());
    for (const Json& piece : file.index.at("pieces")) {
      const Shape shape = {piece.at("count").get<int64_t>()};
      const auto take = [&](const char* dtype) {
        const Tensor tensor{.data = at, .dtype = dtype_of(piece.at(dtype)), .shape = shape};
        at += tensor.bytes();
        return tensor;
      };
      const std::string name = piece.at("weight");
      at = const_cast<std::byte*>(mapped.back().bytes().data()) + piece.at("offset").get<uint64_t>();
      stretches[name].push_back({.first = piece.at("first"),
                                 .count = shape[0],
                                 .master = take("dtype"),
                                 .moment1 = take("moments_dtype"),
                                 .moment2 = take("moments_dtype")});
      shapes[name] = piece.at("shape");
    }
  }
  for (const WeightSpec& spec : shards.table())
    if (shapes[spec.name] != spec.shape.str())
      fail("{} is of another model: its {} is {}, and this model's {}; name another output.dir",
           folder.string(), spec.name, shapes[spec.name].empty() ? "missing" : shapes[spec.name],
           spec.shape.str());
  for (const Shards::Owned& piece : shards.owned()) {
    for (const Stretch& stretch : stretches[shards.table()[static_cast<size_t>(piece.weight)].name])
      copy_overlap(stretch, piece);
    if (!piece.rounded) continue;
    for (int64_t i = 0; i < piece.master.elements(); ++i)
      store_element(piece.rounded, i, load_element(piece.master, i));
  }
}

}  // namespace

std::vector<int64_t> checkpoint_steps(const fs::path& folder) {
  std::vector<int64_t> steps;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error))
    if (const auto step = step_of(entry.path())) steps.push_back(*step);
  std::sort(steps.begin(), steps.end());
  return steps;
}

void remove_partial_checkpoints(const fs::path& folder) {
  std::error_code error;
  std::vector<fs::path> partial;
  for (const auto& entry : fs::directory_iterator(folder, error))
    if (entry.path().filename().string().ends_with(kPartial)) partial.push_back(entry.path());
  for (const fs::path& path : partial) fs::remove_all(path, error);
}

std::optional<LoadedCheckpoint> load_latest_checkpoint(const fs::path& folder, Shards& shards, Comm& world) {
  std::vector<int64_t> steps = checkpoint_steps(folder);
  world.barrier();
  for (auto step = steps.rbegin(); step != steps.rend(); ++step) {
    const fs::path path = folder / fmt::format("step-{}", *step);
    const std::string problem = complaint(path, world);
    if (!problem.empty()) {
      if (world.rank() == 0)
        warn("the checkpoint {} is damaged ({}); the one before it is used", path.string(), problem);
      continue;
    }
    const Json manifest = read_manifest(path);
    load_pieces(path, read_ranks(path, manifest), shards);
    shards.gather();
    return LoadedCheckpoint{.step = *step, .state = manifest.at("state")};
  }
  return std::nullopt;
}

}  // namespace poro
