#include "apps/hub_cache.h"

#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"

namespace poro {
namespace {

namespace fs = std::filesystem;

// An environment variable that is set to something.
const char* variable(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr && *value != '\0' ? value : nullptr;
}

fs::path hub_home() {
  if (const char* home = variable("HF_HOME")) return home;
  if (const char* cache = variable("XDG_CACHE_HOME")) return fs::path(cache) / "huggingface";
  const char* home = variable("HOME");
  return fs::path(home != nullptr ? home : ".") / ".cache/huggingface";
}

std::string without_blanks(std::string text) {
  std::erase_if(text, [](char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; });
  return text;
}

bool is_repository_name(const std::string& name) {
  const auto is_allowed = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '_' || c == '.' || c == '/';
  };
  return std::ranges::all_of(name, is_allowed) && std::ranges::count(name, '/') <= 1 && is_safe_path(name) &&
         name.find("--") == name.npos && name.find("..") == name.npos && name.size() <= 200;
}

}  // namespace

fs::path hub_cache_folder() {
  if (const char* cache = variable("HF_HUB_CACHE")) return cache;
  return hub_home() / "hub";
}

std::string hub_token() {
  if (const char* token = variable("HF_TOKEN")) return without_blanks(token);
  const char* named = variable("HF_TOKEN_PATH");
  const fs::path path = named != nullptr ? fs::path(named) : hub_home() / "token";
  return fs::is_regular_file(path) ? without_blanks(read_file(path, 4096)) : "";
}

bool is_safe_path(std::string_view name) {
  if (name.empty() || name.find('\0') != name.npos || name.find('\\') != name.npos) return false;
  for (size_t begin = 0; begin <= name.size();) {
    const size_t end = std::min(name.find('/', begin), name.size());
    const std::string_view part = name.substr(begin, end - begin);
    if (part.empty() || part == "." || part == ".." || part.size() > 255) return false;
    begin = end + 1;
  }
  return true;
}

HubCache::HubCache(const fs::path& cache, RepositoryKind kind, const std::string& name) {
  if (!is_repository_name(name))
    fail("\"{}\" is no name of a model or data set; they look like LumiOpen/Llama-Poro-2-8B-Instruct",
         quote(name));
  std::string flat = (kind == RepositoryKind::kModel ? "models--" : "datasets--") + name;
  if (const size_t slash = flat.find('/'); slash != flat.npos) flat.replace(slash, 1, "--");
  repository_ = cache / flat;
  locks_ = cache / ".locks" / flat;
}

fs::path HubCache::incomplete_blob(const std::string& hash) const {
  return repository_ / "blobs" / (hash + ".incomplete");
}

fs::path HubCache::lock(const std::string& hash) const {
  return locks_ / (hash + ".lock");
}

fs::path HubCache::find_snapshot(const std::string& revision) const {
  if (!is_safe_path(revision)) return {};
  std::string commit = revision;
  const fs::path reference = repository_ / "refs" / revision;
  if (fs::is_regular_file(reference)) commit = without_blanks(read_file(reference, 4096));
  if (!is_safe_path(commit) || commit.find('/') != commit.npos || !fs::is_directory(snapshot(commit)))
    return {};
  return snapshot(commit);
}

void HubCache::link(const std::string& commit, const std::string& name, const std::string& hash) const {
  const fs::path path = snapshot(commit) / name;
  fs::path target = "../..";
  for (auto folders = std::ranges::count(name, '/'); folders > 0; --folders) target /= "..";
  target = target / "blobs" / hash;
  std::error_code error;
  fs::create_directories(path.parent_path(), error);
  if (!error && fs::is_symlink(path) && fs::read_symlink(path, error) == target) return;
  const fs::path temporary = path.string() + "." + std::to_string(::getpid()) + ".partial";
  fs::remove(temporary, error);
  fs::create_symlink(target, temporary, error);
  if (!error) fs::rename(temporary, path, error);
  if (error) fail("cannot make the link {}: {}", path.string(), error.message());
}

void HubCache::write_reference(const std::string& revision, const std::string& commit) const {
  const fs::path path = repository_ / "refs" / revision;
  std::error_code error;
  fs::create_directories(path.parent_path(), error);
  write_file_atomic(path, commit);
}

}  // namespace poro
