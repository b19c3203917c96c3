// The local hub cache, laid out as the Python library lays it out, so that both use one copy: blobs named by
// their hash, and per commit a snapshot folder of relative links to them.
//
//   <cache>/models--org--name/blobs/<hash>            the bytes; <hash>.incomplete while they arrive
//   <cache>/models--org--name/snapshots/<commit>/...  links, under the files' own names
//   <cache>/models--org--name/refs/<revision>         the commit a branch or tag pointed at
//   <cache>/.locks/models--org--name/<hash>.lock      held by whoever fetches the blob
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace poro {

enum class RepositoryKind { kModel, kDataset };

// HF_HUB_CACHE, or hub/ under HF_HOME, XDG_CACHE_HOME/huggingface or ~/.cache/huggingface.
std::filesystem::path hub_cache_folder();
// What HF_TOKEN says, or the file at HF_TOKEN_PATH or token in the folder above; empty when there is none.
std::string hub_token();

class HubCache {
 public:
  // Throws Error if `name` is no repository's name ("org/name").
  HubCache(const std::filesystem::path& cache, RepositoryKind kind, const std::string& name);

  std::filesystem::path blob(const std::string& hash) const { return repository_ / "blobs" / hash; }
  std::filesystem::path incomplete_blob(const std::string& hash) const;
  std::filesystem::path lock(const std::string& hash) const;
  std::filesystem::path snapshot(const std::string& commit) const {
    return repository_ / "snapshots" / commit;
  }
  // The snapshot that `revision` (a branch, a tag or a commit) stands for, or empty when it is not here.
  std::filesystem::path find_snapshot(const std::string& revision) const;

  // Makes the file `name` of a snapshot a relative link to the blob.
  void link(const std::string& commit, const std::string& name, const std::string& hash) const;
  void write_reference(const std::string& revision, const std::string& commit) const;

 private:
  std::filesystem::path repository_, locks_;
};

// Whether a name from the network stays inside the folder it is put into: relative, and without "..".
bool is_safe_path(std::string_view name);

}  // namespace poro
