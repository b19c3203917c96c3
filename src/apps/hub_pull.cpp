#include "apps/hub_pull.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <optional>
#include <thread>

#include "base/digest.h"
#include "base/error.h"
#include "base/file.h"
#include "base/http.h"
#include "base/json.h"
#include "base/log.h"
#include "base/progress.h"

namespace poro {
namespace {

namespace fs = std::filesystem;

constexpr int kMaxRedirects = 10;
constexpr size_t kMaxListingBytes = size_t{256} << 20;
constexpr std::chrono::milliseconds kMaxDelay{60'000};

// Another file of this pull has failed, so this one need not go on.
struct Abandoned {};

struct RemoteFile {
  std::string name;
  std::optional<uint64_t> size;
};

struct Listing {
  std::string commit;
  std::vector<RemoteFile> files;
};

// What the hub says about one file: how its bytes are called and how many there are.
struct FileFacts {
  std::string hash;  // 64 digits: SHA-256 of the bytes; 40: git's name for them.
  uint64_t size = 0;
};

std::optional<uint64_t> parse_size(const std::string& text) {
  uint64_t size = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), size);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return size;
}

bool is_hex(const std::string& text, size_t digits) {
  return text.size() == digits &&
         std::ranges::all_of(text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

// One thread's conversation with the hub about one repository.
class Hub {
 public:
  Hub(const HubOptions& options, const HubRequest& request)
      : options_(options), request_(request), client_(options.stall_limit) {}

  Listing list();
  FileFacts facts(const std::string& commit, const RemoteFile& file);
  // The bytes from `offset` on. The hub may send the whole file instead: then the status is 200, not 206.
  HttpResponse get(const std::string& commit, const std::string& file, uint64_t offset,
                   const HttpClient::Sink& sink);

 private:
  std::string file_url(const std::string& commit, const std::string& file) const;
  HttpResponse send(HttpRequest request, const HttpClient::Sink& sink);
  void check_status(const HttpResponse& response, const std::string& what) const;

  const HubOptions& options_;
  const HubRequest& request_;
  HttpClient client_;
};

std::string Hub::file_url(const std::string& commit, const std::string& file) const {
  const std::string kind = request_.kind == RepositoryKind::kDataset ? "datasets/" : "";
  std::string url = fmt::format("{}/{}{}/resolve/{}", options_.endpoint, kind, request_.name, commit);
  for (size_t begin = 0; begin <= file.size();) {
    const size_t end = std::min(file.find('/', begin), file.size());
    url += "/" + escape_url(std::string_view(file).substr(begin, end - begin));
    begin = end + 1;
  }
  return url;
}

// Follows redirects; the token goes to the endpoint's own origin only. A HEAD stops at a redirect elsewhere,
// because the facts about the file are in that answer, while the place it leads to knows only bytes.
HttpResponse Hub::send(HttpRequest request, const HttpClient::Sink& sink) {
  const std::string home = url_origin(options_.endpoint);
  const std::vector<std::string> headers = request.headers;
  std::map<std::string, std::string> facts;
  for (int hop = 0; hop < kMaxRedirects; ++hop) {
    const bool is_home = url_origin(request.url) == home;
    request.headers = headers;
    if (is_home && !options_.token.empty())
      request.headers.push_back("Authorization: Bearer " + options_.token);
    HttpResponse response = client_.send(request, sink);
    for (const char* name : {"x-linked-etag", "x-linked-size"})
      if (const std::string value = response.header(name); !value.empty()) facts[name] = value;
    const std::string location = response.header("location");
    if (response.status / 100 != 3 || location.empty()) {
      response.headers.insert(facts.begin(), facts.end());
      return response;
    }
    const std::string next = resolve_url(request.url, location);
    const std::string origin = url_origin(next);
    if (origin.empty() || (home.starts_with("https:") && !origin.starts_with("https:")))
      fail("{} redirects to an address that is not followed: {}", options_.endpoint, quote(location));
    if (request.method == HttpMethod::kHead && origin != home) return response;
    request.url = next;
  }
  fail("{} redirects in a circle", options_.endpoint);
}

void Hub::check_status(const HttpResponse& response, const std::string& what) const {
  const int status = response.status;
  if (status / 100 == 2 || status / 100 == 3) return;
  if (status == 401 || status == 403) {
    if (options_.token.empty())
      fail(
          "the hub does not show {} to strangers (status {}): if the name is right, accept its licence at "
          "{}/{} and set HF_TOKEN to "
          "an access token of your account",
          what, status, options_.endpoint, request_.name);
    fail(
        "the hub does not let this access token read {} (status {}): check the name, accept its licence at "
        "{}/{}, or set HF_TOKEN to "
        "a token with read access",
        what, status, options_.endpoint, request_.name);
  }
  if (status == 404)
    fail("the hub at {} has no {}: check the name{} and the revision \"{}\"", options_.endpoint, what,
         request_.kind == RepositoryKind::kModel ? " (a data set needs --dataset)" : "",
         quote(request_.revision));
  const std::string sentence =
      fmt::format("the hub answered status {} for {}; try again later", status, what);
  if (status == 408 || status == 429 || status >= 500) throw ConnectionError(sentence);
  fail("{}", sentence);
}

Listing Hub::list() {
  const bool is_model = request_.kind == RepositoryKind::kModel;
  HttpRequest request;
  request.url = fmt::format("{}/api/{}/{}/revision/{}?blobs=true", options_.endpoint,
                            is_model ? "models" : "datasets", request_.name, escape_url(request_.revision));
  std::string body;
  const HttpResponse response = send(request, [&](const HttpResponse&, std::string_view bytes) {
    if (body.size() + bytes.size() > kMaxListingBytes)
      fail("the hub's list of files of {} is endless", request_.name);
    body += bytes;
  });
  check_status(response, (is_model ? "model " : "data set ") + request_.name);
  const std::string where = "the hub's list of files of " + request_.name;
  if (response.status / 100 != 2) fail("{} leads nowhere (status {})", where, response.status);
  const nlohmann::json json = parse_json(body, where);
  const JsonFields fields(json, where);
  Listing listing{.commit = fields.string("sha").value_or(""), .files = {}};
  if (!is_hex(listing.commit, 40)) fail("{} names no commit", where);
  const nlohmann::json* siblings = fields.find("siblings");
  if (siblings == nullptr || !siblings->is_array()) fail("{} has no \"siblings\"", where);
  for (const nlohmann::json& sibling : *siblings) {
    const JsonFields file(sibling, where);
    const std::string name = file.string("rfilename").value_or("");
    if (!is_safe_path(name))
      fail("{} holds the file name \"{}\", which would leave its folder; nothing was fetched", where,
           quote(name));
    const auto size = file.integer("size", {0, INT64_MAX});
    listing.files.push_back({name, size ? std::optional(static_cast<uint64_t>(*size)) : std::nullopt});
  }
  return listing;
}

FileFacts Hub::facts(const std::string& commit, const RemoteFile& file) {
  // Without identity, a small file's Content-Length would be that of its compressed form.
  const HttpResponse response = send({.method = HttpMethod::kHead,
                                      .url = file_url(commit, file.name),
                                      .headers = {"Accept-Encoding: identity"}},
                                     {});
  check_status(response, file.name + " of " + request_.name);
  std::string etag = response.header("x-linked-etag");
  if (etag.empty()) etag = response.header("etag");
  if (etag.starts_with("W/")) etag.erase(0, 2);
  std::erase(etag, '"');
  if (!is_hex(etag, 40) && !is_hex(etag, 64))
    fail("the hub gives no hash for {} (its ETag is \"{}\"), so the file could not be checked", file.name,
         quote(etag));
  std::optional<uint64_t> size = parse_size(response.header("x-linked-size"));
  if (!size) size = file.size;
  if (!size && response.status / 100 == 2) size = parse_size(response.header("content-length"));
  if (!size) fail("the hub does not say how long {} is", file.name);
  return {.hash = etag, .size = *size};
}

HttpResponse Hub::get(const std::string& commit, const std::string& file, uint64_t offset,
                      const HttpClient::Sink& sink) {
  HttpRequest request;
  request.url = file_url(commit, file);
  request.headers = {"Accept-Encoding: identity"};
  if (offset > 0) request.headers.push_back(fmt::format("Range: bytes={}-", offset));
  HttpResponse response = send(request, sink);
  if (response.status != 416) check_status(response, file + " of " + request_.name);
  return response;
}

// A lock that the Python library takes in the same way, so that no two programs write one blob.
class FileLock {
 public:
  explicit FileLock(const fs::path& path) {
    std::error_code error;
    fs::create_directories(path.parent_path(), error);
    fd_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (fd_ < 0) fail("cannot write {}: {}", path.string(), std::strerror(errno));
    while (::flock(fd_, LOCK_EX) != 0)
      if (errno != EINTR) fail("cannot lock {}: {}", path.string(), std::strerror(errno));
  }
  ~FileLock() { ::close(fd_); }
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

 private:
  int fd_;
};

// The bytes of a blob that have come so far; they stay for the next attempt, and the next program.
class IncompleteFile {
 public:
  explicit IncompleteFile(const fs::path& path) : path_(path) {
    std::error_code error;
    fs::create_directories(path.parent_path(), error);
    fd_ = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (fd_ < 0) fail("cannot write {}: {}", path.string(), std::strerror(errno));
    size_ = fs::file_size(path);
  }
  ~IncompleteFile() { ::close(fd_); }
  IncompleteFile(const IncompleteFile&) = delete;
  IncompleteFile& operator=(const IncompleteFile&) = delete;

  uint64_t size() const { return size_; }

  void clear() {
    if (::ftruncate(fd_, 0) != 0) fail("cannot write {}: {}", path_.string(), std::strerror(errno));
    size_ = 0;
  }

  void append(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t written = ::write(fd_, bytes.data(), bytes.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0)
        fail("cannot write {}: {}; what came so far is kept, so make room and run the same command again",
             path_.string(), std::strerror(errno));
      bytes.remove_prefix(static_cast<size_t>(written));
      size_ += static_cast<uint64_t>(written);
    }
  }

  void sync() {
    if (::fsync(fd_) != 0) fail("cannot write {}: {}", path_.string(), std::strerror(errno));
  }

 private:
  fs::path path_;
  int fd_ = -1;
  uint64_t size_ = 0;
};

// One pull: the files still to fetch, and the threads that fetch them.
class Pull {
 public:
  Pull(const HubOptions& options, const HubRequest& request)
      : options_(options), request_(request), cache_(options.cache, request.kind, request.name) {}

  fs::path run();

 private:
  void work(Progress& progress);
  void fetch(Hub& hub, const RemoteFile& file, Progress& progress);
  void fetch_bytes(Hub& hub, const RemoteFile& file, const FileFacts& facts, Progress& progress);
  void append_rest(Hub& hub, const RemoteFile& file, const FileFacts& facts, IncompleteFile& incomplete,
                   Progress& progress);
  // Runs `attempt` until it passes, a number of times that starts again whenever `progress` has grown.
  template <class Attempt>
  auto persist(const std::string& what, const std::function<uint64_t()>& progress, const Attempt& attempt);

  const HubOptions& options_;
  const HubRequest& request_;
  HubCache cache_;
  Listing listing_;
  std::atomic<size_t> next_file_{0};
  std::atomic<bool> is_abandoned_{false};
  std::mutex failing_;
  std::exception_ptr first_failure_;
};

template <class Attempt>
auto Pull::persist(const std::string& what, const std::function<uint64_t()>& progress,
                   const Attempt& attempt) {
  uint64_t before = progress();
  std::chrono::milliseconds delay = options_.first_delay;
  for (int failures = 0;;) {
    try {
      return attempt();
    } catch (const ConnectionError& error) {
      if (const uint64_t now = progress(); now > before) {
        before = now;
        failures = 0;
        delay = options_.first_delay;
      }
      if (++failures > options_.num_retries)
        fail("cannot fetch {}: {}; what came so far is kept, so run the same command again", what,
             error.what());
      if (is_abandoned_) throw Abandoned();
      warn("{}: {}; trying again", what, error.what());
      std::this_thread::sleep_for(delay);
      delay = std::min(delay * 2, kMaxDelay);
    }
  }
}

// Weights that would never be read: Python pickles, and other frameworks' copies of the same numbers.
bool is_spare_weight_file(const std::string& name) {
  constexpr std::string_view kSpare[] = {".bin", ".pt", ".pth", ".ckpt", ".pkl", ".msgpack", ".h5"};
  return std::ranges::any_of(kSpare, [&](std::string_view extension) { return name.ends_with(extension); });
}

std::vector<RemoteFile> wanted_files(const HubRequest& request, const std::vector<RemoteFile>& files) {
  const auto is_safetensors = [](const RemoteFile& file) { return file.name.ends_with(".safetensors"); };
  std::vector<RemoteFile> wanted = files;
  if (request.kind == RepositoryKind::kModel && std::ranges::any_of(files, is_safetensors))
    std::erase_if(wanted, [](const RemoteFile& file) { return is_spare_weight_file(file.name); });
  // The largest first, so that the last connection does not start one when the others are done.
  std::ranges::stable_sort(wanted, std::greater<>(),
                           [](const RemoteFile& file) { return file.size.value_or(0); });
  return wanted;
}

void Pull::append_rest(Hub& hub, const RemoteFile& file, const FileFacts& facts, IncompleteFile& incomplete,
                       Progress& progress) {
  const uint64_t offset = incomplete.size();
  bool is_first = true;
  const HttpResponse response =
      hub.get(listing_.commit, file.name, offset, [&](const HttpResponse& answer, std::string_view bytes) {
        if (is_abandoned_) throw Abandoned();
        if (is_first && offset > 0) {
          const bool is_rest = answer.status == 206 &&
                               answer.header("content-range").starts_with(fmt::format("bytes {}-", offset));
          if (!is_rest) incomplete.clear();  // The server sends everything again.
          if (!is_rest && answer.status == 206)
            throw ConnectionError("the server sent another part than the one asked for");
        }
        is_first = false;
        if (bytes.size() > facts.size - incomplete.size()) {
          incomplete.clear();
          fail("{} is longer than the {} bytes the hub announced; what came was discarded", file.name,
               facts.size);
        }
        incomplete.append(bytes);
        progress.add(bytes.size());
      });
  if (response.status == 416) {
    incomplete.clear();
    throw ConnectionError("the server refused to go on where it was cut off");
  }
  if (response.status / 100 != 2)
    fail("the address of {} leads nowhere (status {})", file.name, response.status);
  if (incomplete.size() < facts.size)
    throw ConnectionError(
        fmt::format("the connection ended after {} of {} bytes", incomplete.size(), facts.size));
}

void Pull::fetch_bytes(Hub& hub, const RemoteFile& file, const FileFacts& facts, Progress& progress) {
  const fs::path path = cache_.incomplete_blob(facts.hash);
  {
    IncompleteFile incomplete(path);
    if (incomplete.size() > facts.size) incomplete.clear();
    progress.skip(incomplete.size());
    if (incomplete.size() < facts.size)
      persist(
          file.name, [&] { return incomplete.size(); },
          [&] { append_rest(hub, file, facts, incomplete, progress); });
    incomplete.sync();
  }
  const std::string hash = facts.hash.size() == 64 ? sha256_of_file(path) : git_blob_id_of_file(path);
  if (hash != facts.hash) {
    fs::remove(path);
    fail(
        "{} arrived damaged: its hash is {} where the hub says {}; it was discarded, so run the same command "
        "again",
        file.name, hash, facts.hash);
  }
  std::error_code error;
  fs::rename(path, cache_.blob(facts.hash), error);
  if (error) fail("cannot rename {}: {}", path.string(), error.message());
}

void Pull::fetch(Hub& hub, const RemoteFile& file, Progress& progress) {
  const FileFacts facts = persist(
      file.name, [] { return uint64_t{0}; }, [&] { return hub.facts(listing_.commit, file); });
  {
    const FileLock lock(cache_.lock(facts.hash));
    const fs::path blob = cache_.blob(facts.hash);
    if (fs::is_regular_file(blob) && fs::file_size(blob) == facts.size)
      progress.skip(facts.size);
    else
      fetch_bytes(hub, file, facts, progress);
  }
  cache_.link(listing_.commit, file.name, facts.hash);
}

void Pull::work(Progress& progress) {
  try {
    Hub hub(options_, request_);
    while (!is_abandoned_) {
      const size_t file = next_file_++;
      if (file >= listing_.files.size()) return;
      fetch(hub, listing_.files[file], progress);
    }
  } catch (const Abandoned&) {
  } catch (...) {
    const std::lock_guard lock(failing_);
    if (!first_failure_) first_failure_ = std::current_exception();
    is_abandoned_ = true;
  }
}

fs::path Pull::run() {
  if (!is_safe_path(request_.revision)) fail("\"{}\" is no name of a revision", quote(request_.revision));
  {
    Hub hub(options_, request_);
    listing_ = persist(
        request_.name, [] { return uint64_t{0}; }, [&] { return hub.list(); });
  }
  const size_t num_listed = listing_.files.size();
  listing_.files = wanted_files(request_, listing_.files);
  uint64_t total = 0;
  for (const RemoteFile& file : listing_.files) total += file.size.value_or(0);
  inform(
      "{}: {} files at commit {}{}", request_.name, listing_.files.size(), listing_.commit,
      listing_.files.size() < num_listed ? "; weights in other formats than safetensors are left out" : "");
  std::error_code error;
  fs::create_directories(cache_.snapshot(listing_.commit), error);
  if (error)
    fail("cannot make the folder {}: {}", cache_.snapshot(listing_.commit).string(), error.message());
  {
    Progress progress(request_.name, total, ProgressUnit::kBytes);
    std::vector<std::thread> threads;
    threads.reserve(static_cast<size_t>(options_.num_connections));
    for (int i = 0; i < options_.num_connections; ++i) threads.emplace_back([&] { work(progress); });
    for (std::thread& thread : threads) thread.join();
  }
  if (first_failure_) std::rethrow_exception(first_failure_);
  if (request_.revision != listing_.commit) cache_.write_reference(request_.revision, listing_.commit);
  return cache_.snapshot(listing_.commit);
}

}  // namespace

HubOptions hub_options_from_environment() {
  HubOptions options;
  if (const char* endpoint = std::getenv("HF_ENDPOINT"); endpoint != nullptr && *endpoint != '\0')
    options.endpoint = endpoint;
  while (options.endpoint.ends_with('/')) options.endpoint.pop_back();
  if (url_origin(options.endpoint).empty())
    fail("HF_ENDPOINT is \"{}\", which is no http or https address", quote(options.endpoint));
  options.token = hub_token();
  options.cache = hub_cache_folder();
  return options;
}

fs::path pull(const HubOptions& options, const HubRequest& request) {
  return Pull(options, request).run();
}

}  // namespace poro
