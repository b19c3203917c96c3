// A hub on this machine's loopback: the listing, HEAD and ranges of the real one, with the bytes of large
// files on a second port that stands for the content network, and every misfortune a test asks for. Plain
// sockets, a thread per connection.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <list>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "base/digest.h"
#include "base/error.h"

namespace poro {

struct HubFile {
  std::string content = {};
  bool is_large = false;        // Kept by SHA-256 on the second port; else by git's name, at the hub itself.
  size_t cut_after = 0;         // Bytes of a body after which the connection breaks; 0: never.
  int num_cuts = 0;             // How often.
  bool ignores_ranges = false;  // Always sends everything.
  int num_unavailable = 0;      // Answers 503 this often first.
  bool stalls = false;          // Sends half and then nothing, while the connection stays open.
  std::string served_instead = {};  // Bytes of the same length that do not match the hash.
};

class TestHub {
 public:
  std::string name = "org/model";
  std::string commit = std::string(40, 'c');
  std::map<std::string, HubFile> files;
  std::string required_token;            // Other requests at the hub get 401.
  int status = 0;                        // For everything at the hub; 0: as it should be.
  std::vector<std::string> extra_names;  // In the listing only.
  bool lists_sizes = true;

  struct Seen {
    std::string method, path, headers;
    bool is_content_port;
  };

  TestHub() {
    for (Listener* listener : {&hub_, &content_}) {
      listener->fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
      sockaddr_in address{};
      address.sin_family = AF_INET;
      address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      socklen_t length = sizeof address;
      CHECK(::bind(listener->fd, reinterpret_cast<sockaddr*>(&address), length) == 0 &&
                ::listen(listener->fd, 64) == 0,
            "loopback");
      CHECK(::getsockname(listener->fd, reinterpret_cast<sockaddr*>(&address), &length) == 0, "loopback");
      listener->port = ntohs(address.sin_port);
    }
    accepting_ = std::thread([this] { accept_all(); });
  }

  ~TestHub() {
    is_stopping_ = true;
    accepting_.join();
    for (std::thread& connection : connections_) connection.join();
    ::close(hub_.fd);
    ::close(content_.fd);
  }

  std::string url() const { return "http://127.0.0.1:" + std::to_string(hub_.port); }

  // What a test has set becomes visible to the connections, and the other way round. Call it around every
  // pull.
  void settle() { const std::lock_guard lock(mutex_); }

  std::vector<Seen> seen() {
    const std::lock_guard lock(mutex_);
    return seen_;
  }

  static std::string hash_of(const HubFile& file) {
    Digest digest(file.is_large ? Digest::Kind::kSha256 : Digest::Kind::kSha1);
    if (!file.is_large) {
      const std::string head = "blob " + std::to_string(file.content.size());
      digest.update({head.c_str(), head.size() + 1});
    }
    digest.update(file.content);
    return digest.hex();
  }

 private:
  struct Listener {
    int fd = -1;
    uint16_t port = 0;
  };

  void accept_all() {
    while (!is_stopping_) {
      pollfd waiting[] = {{hub_.fd, POLLIN, 0}, {content_.fd, POLLIN, 0}};
      if (::poll(waiting, 2, 20) <= 0) continue;
      for (const pollfd& ready : waiting)
        if ((ready.revents & POLLIN) != 0) {
          const int fd = ::accept4(ready.fd, nullptr, nullptr, SOCK_CLOEXEC);
          connections_.emplace_back([this, fd, is_content = ready.fd == content_.fd] {
            while (answer(fd, is_content)) {
            }
            ::close(fd);
          });
        }
    }
  }

  // Reads one request and answers it; false when the connection is over.
  bool answer(int fd, bool is_content) {
    std::string request;
    while (request.find("\r\n\r\n") == request.npos) {
      pollfd waiting{fd, POLLIN, 0};
      if (is_stopping_) return false;
      if (::poll(&waiting, 1, 20) <= 0) continue;
      char buffer[4096];
      const ssize_t got = ::recv(fd, buffer, sizeof buffer, 0);
      if (got <= 0) return false;
      request.append(buffer, static_cast<size_t>(got));
    }
    const size_t method_end = request.find(' '), path_end = request.find(' ', method_end + 1);
    const Seen seen{request.substr(0, method_end), request.substr(method_end + 1, path_end - method_end - 1),
                    request.substr(request.find("\r\n")), is_content};
    std::unique_lock lock(mutex_);
    seen_.push_back(seen);
    if (is_content) return send_file(lock, fd, seen, seen.path.substr(std::string("/content/").size()));
    if (status != 0) return respond(fd, seen, status, {}, "no");
    if (!required_token.empty() &&
        seen.headers.find("Authorization: Bearer " + required_token + "\r\n") == std::string::npos)
      return respond(fd, seen, 401, {}, "{\"error\":\"who are you\"}");
    const std::string api = "/api/models/" + name + "/revision/main",
                      resolve = "/" + name + "/resolve/" + commit + "/";
    if (seen.path.starts_with(api)) return respond(fd, seen, 200, {}, listing());
    if (!seen.path.starts_with(resolve)) return respond(fd, seen, 404, {}, "not here");
    const std::string file_name = seen.path.substr(resolve.size());
    const auto found = files.find(file_name);
    if (found == files.end()) return respond(fd, seen, 404, {}, "not here");
    if (!found->second.is_large) return send_file(lock, fd, seen, file_name);
    return respond(
        fd, seen, 302,
        {"X-Repo-Commit: " + commit, "X-Linked-Etag: \"" + hash_of(found->second) + "\"",
         "X-Linked-Size: " + std::to_string(found->second.content.size()), "ETag: \"of the redirect\"",
         "Location: http://127.0.0.1:" + std::to_string(content_.port) + "/content/" + file_name},
        "moved");
  }

  std::string listing() {
    nlohmann::json siblings = nlohmann::json::array();
    for (const auto& [file_name, file] : files) {
      siblings.push_back({{"rfilename", file_name}});
      if (lists_sizes) siblings.back()["size"] = file.content.size();
    }
    for (const std::string& extra : extra_names) siblings.push_back({{"rfilename", extra}});
    return nlohmann::json{{"sha", commit}, {"siblings", siblings}}.dump();
  }

  bool send_file(std::unique_lock<std::mutex>& lock, int fd, const Seen& seen, const std::string& file_name) {
    size_t offset = 0, cut_after = 0;
    bool is_unavailable = false;
    const HubFile file = files.at(file_name);
    const size_t range = seen.headers.find("Range: bytes=");
    if (range != std::string::npos && !file.ignores_ranges)
      offset = std::stoull(seen.headers.substr(range + 13));
    if (seen.method == "GET") {
      is_unavailable = times_unavailable_[file_name]++ < file.num_unavailable;
      if (!is_unavailable && file.cut_after > 0 && times_cut_[file_name]++ < file.num_cuts)
        cut_after = file.cut_after;
    }
    lock.unlock();
    if (is_unavailable) return respond(fd, seen, 503, {}, "later");
    const std::string& bytes = file.served_instead.empty() ? file.content : file.served_instead;
    if (offset > bytes.size()) return respond(fd, seen, 416, {}, "");
    std::vector<std::string> headers = {"ETag: W/\"" + hash_of(file) + "\"",
                                        "X-Repo-Commit: " + std::string(40, 'c')};
    if (offset > 0)
      headers.push_back("Content-Range: bytes " + std::to_string(offset) + "-" +
                        std::to_string(bytes.size() - 1) + "/" + std::to_string(bytes.size()));
    const std::string body = bytes.substr(offset);
    if (seen.method == "GET" && file.stalls) {
      send_all(fd, head(200, headers, body.size()) + body.substr(0, body.size() / 2));
      while (!is_stopping_) std::this_thread::sleep_for(std::chrono::milliseconds(20));
      return false;
    }
    if (cut_after > 0 && cut_after < body.size()) {
      send_all(fd, head(offset > 0 ? 206 : 200, headers, body.size()) + body.substr(0, cut_after));
      return false;
    }
    return respond(fd, seen, offset > 0 ? 206 : 200, headers, body);
  }

  static std::string head(int status, const std::vector<std::string>& headers, size_t length) {
    std::string text =
        "HTTP/1.1 " + std::to_string(status) + " So\r\nContent-Length: " + std::to_string(length) + "\r\n";
    for (const std::string& header : headers) text += header + "\r\n";
    return text + "\r\n";
  }

  static bool respond(int fd, const Seen& seen, int status, const std::vector<std::string>& headers,
                      const std::string& body) {
    return send_all(fd, head(status, headers, body.size()) + (seen.method == "HEAD" ? "" : body));
  }

  static bool send_all(int fd, std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<size_t>(sent));
    }
    return true;
  }

  Listener hub_, content_;
  std::atomic<bool> is_stopping_{false};
  std::mutex mutex_;
  std::vector<Seen> seen_;
  std::map<std::string, int> times_cut_, times_unavailable_;
  std::list<std::thread>
      connections_;  // Touched by the accepting thread only, and after it by the destructor.
  std::thread accepting_;
};

}  // namespace poro
