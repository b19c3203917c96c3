// Reading: what is there, whether it is whole, and its pieces into the shards of this run, however they are
// cut.
#include <algorithm>
#include <array>
#include <charconv>
#include <map>

#include "base/digest.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "ops/convert.h"
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

// A stretch of one rank's part of a weight, in a mapped file.
struct Stretch {
  int64_t first = 0;
  int part = 0, parts = 1;
  Tensor master, moment1, moment2;
};

using Stretches = std::map<std::string, std::vector<Stretch>>;

Stretches map_stretches(const std::vector<RankFile>& files, std::vector<MappedFile>& mapped,
                        std::map<std::string, std::string>& shapes) {
  Stretches stretches;
  for (const RankFile& file : files) {
    std::byte* begin = const_cast<std::byte*>(mapped.emplace_back(file.path).bytes().data());
    for (const Json& piece : file.index.at("pieces")) {
      std::byte* at = begin + piece.at("offset").get<uint64_t>();
      const auto take = [&](const char* dtype) {
        const Tensor tensor{
            .data = at, .dtype = dtype_of(piece.at(dtype)), .shape = {piece.at("count").get<int64_t>()}};
        at += tensor.bytes();
        return tensor;
      };
      const std::string name = piece.at("weight");
      stretches[name].push_back({.first = piece.at("first"),
                                 .part = piece.at("part"),
                                 .parts = piece.at("parts"),
                                 .master = take("dtype"),
                                 .moment1 = take("moments_dtype"),
                                 .moment2 = take("moments_dtype")});
      shapes[name] = piece.at("shape");
    }
  }
  return stretches;
}

// Master weights and moments of one weight as this rank's part has them, put together from all stretches.
class WholeWeight {
 public:
  WholeWeight(const WeightSpec& spec, const TensorRanks& ranks, DType dtype,
              const std::vector<Stretch>& stretches) {
    const Shape shape = whole_shape(spec, ranks.size());
    for (size_t kind = 0; kind < 3; ++kind) {
      const Tensor whole = arena_.tensor(dtype, shape);
      const int parts = stretches.empty() ? 1 : stretches.front().parts;
      const Shape part_shape = parts == 1            ? shape
                               : spec.split_dim == 0 ? shape.with_first(shape[0] / parts)
                                                     : Shape{shape[0], shape[1] / parts};
      for (int part = 0; part < parts; ++part) {
        const Tensor theirs = arena_.tensor(dtype, part_shape);
        for (const Stretch& stretch : stretches)
          if (stretch.part == part)
            place(kind == 0   ? stretch.master
                  : kind == 1 ? stretch.moment1
                              : stretch.moment2,
                  stretch.first, theirs);
        copy_into_whole(theirs, parts == 1 ? std::nullopt : spec.split_dim, part, whole);
      }
      parts_[kind] = arena_.tensor(dtype, spec.shape);
      copy_part(whole, ranks.is_alone() ? std::nullopt : spec.split_dim, ranks.rank(), parts_[kind]);
    }
  }

  void copy_to(Device& device, const Shards::Owned& piece) const {
    const Tensor to[] = {piece.master, piece.moment1, piece.moment2};
    for (size_t kind = 0; kind < 3; ++kind) {
      const Tensor& part = parts_[kind];
      bring(device, part.reshaped({part.elements()}).rows(piece.first, to[kind].elements()), to[kind]);
    }
    if (piece.rounded) bring(device, piece.master, piece.rounded);
  }

 private:
  static void place(const Tensor& from, int64_t first, const Tensor& to) {
    for (int64_t i = 0; i < from.elements(); ++i) store_element(to, first + i, load_element(from, i));
  }

  Arena arena_{"a weight of a checkpoint"};
  std::array<Tensor, 3> parts_;
};

void load_pieces(const fs::path& folder, const std::vector<RankFile>& files, Shards& shards) {
  std::vector<MappedFile> mapped;
  std::map<std::string, std::string> shapes;
  const Stretches stretches = map_stretches(files, mapped, shapes);
  const TensorRanks& ranks = shards.tensor_ranks();
  for (const WeightSpec& spec : shards.table()) {
    const std::string wanted = whole_shape(spec, ranks.size()).str();
    if (shapes[spec.name] != wanted)
      fail("{} is of another model: its {} is {}, and this model's {}; name another output.dir",
           folder.string(), spec.name, shapes[spec.name].empty() ? "missing" : shapes[spec.name], wanted);
  }
  std::unique_ptr<WholeWeight> whole;
  int64_t at = -1;
  for (const Shards::Owned& piece : shards.owned()) {
    if (piece.weight != at) {
      const WeightSpec& spec = shards.table()[static_cast<size_t>(at = piece.weight)];
      whole = std::make_unique<WholeWeight>(spec, ranks, piece.master.dtype, stretches.at(spec.name));
    }
    whole->copy_to(shards.device(), piece);
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
