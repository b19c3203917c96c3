// The rule of the rooms: a room includes itself and the rooms before it; headers of CUDA appear only under a
// cuda/ folder; nothing in src includes tests, bench or fuzz. kRooms is the one list of the order.
#pragma once

#include <array>
#include <optional>

#include "tests/house/source_tree.h"

namespace poro {

constexpr std::array<std::string_view, 11> kRooms = {"base",  "text",  "ops",  "model", "data", "infer",
                                                     "train", "synth", "eval", "serve", "apps"};

struct Include {
  std::string target;
  bool is_quoted;  // "target", not <target>
};

// The file named by a line of the form #include "x" or #include <x>.
inline std::optional<Include> parse_include(std::string_view line) {
  const auto skip_blanks = [&] {
    while (!line.empty() && (line.front() == ' ' || line.front() == '\t')) line.remove_prefix(1);
  };
  skip_blanks();
  if (!line.starts_with('#')) return std::nullopt;
  line.remove_prefix(1);
  skip_blanks();
  if (!line.starts_with("include")) return std::nullopt;
  line.remove_prefix(7);
  skip_blanks();
  if (line.empty() || (line.front() != '"' && line.front() != '<')) return std::nullopt;
  const bool is_quoted = line.front() == '"';
  line.remove_prefix(1);
  return Include{std::string(line.substr(0, line.find(is_quoted ? '"' : '>'))), is_quoted};
}

inline std::optional<size_t> room_index(std::string_view room) {
  for (size_t i = 0; i < kRooms.size(); ++i)
    if (kRooms[i] == room) return i;
  return std::nullopt;
}

inline bool is_cuda_header(std::string_view target) {
  for (const std::string_view prefix :
       {"cuda", "cublas", "cudnn", "curand", "cusparse", "cusolver", "cufft", "cupti", "nccl", "nvtx3/",
        "nvml", "nvrtc", "nvToolsExt", "cub/", "thrust/", "cooperative_groups", "mma.h",
        "device_launch_parameters", "cutlass/"})
    if (target.starts_with(prefix)) return true;
  return false;
}

// Checks one include of a file in `room`; empty when it is allowed.
inline std::string include_violation(const SourceTree& tree, const std::string& path, std::string_view room,
                                     const Include& include) {
  const bool is_in_cuda_folder = path.find("/cuda/") != std::string::npos;
  if (!include.is_quoted) {
    if (is_cuda_header(include.target) && !is_in_cuda_folder)
      return fmt::format("{} includes <{}>: CUDA headers belong under a cuda/ folder", path, include.target);
    return "";
  }
  if (include.target == "version.inc") return "";  // Written by the build.
  const std::string target_room = include.target.substr(0, include.target.find('/'));
  const std::optional<size_t> target_index = room_index(target_room);
  if (!target_index)
    return fmt::format("{} includes \"{}\": a quoted include names a room and the path in it", path,
                       include.target);
  if (*target_index > room_index(room))
    return fmt::format("{} includes \"{}\": {} comes after {}", path, include.target, target_room, room);
  if (!tree.contains("src/" + include.target))
    return fmt::format("{} includes \"{}\": there is no such file in src", path, include.target);
  return "";
}

inline std::vector<std::string> include_violations(const SourceTree& tree) {
  std::vector<std::string> violations;
  for (const auto& [path, content] : tree) {
    if (!path.starts_with("src/")) continue;
    const std::string room = path.substr(4, path.find('/', 4) - 4);
    if (!room_index(room)) {
      violations.push_back(fmt::format("{} is in no room: \"{}\" is not in the list", path, room));
      continue;
    }
    if ((path.ends_with(".cu") || path.ends_with(".cuh")) && path.find("/cuda/") == std::string::npos)
      violations.push_back(fmt::format("{} is CUDA and not under a cuda/ folder", path));
    for (const std::string_view line : split_lines(content)) {
      const std::optional<Include> include = parse_include(line);
      if (!include) continue;
      const std::string violation = include_violation(tree, path, room, *include);
      if (!violation.empty()) violations.push_back(violation);
    }
  }
  return violations;
}

}  // namespace poro
