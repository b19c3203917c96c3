// A server on this machine's loopback that answers POSTs as a test says: status, headers and body by a
// function of the request. A thread per connection; all of them end with the object.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <list>
#include <mutex>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "base/error.h"

namespace poro {

class TestServer {
 public:
  struct Request {
    std::string path, headers;
    nlohmann::json body;
    size_t number;  // From 0, over all connections.
  };
  struct Response {
    int status = 200;
    std::string body = {};
    std::string headers = {};  // Whole lines.
    int delay_ms = 0;
    bool hangs_up = false;  // Closes the connection without an answer.
  };
  using Handler = std::function<Response(const Request&)>;

  explicit TestServer(Handler handler) : handler_(std::move(handler)) {
    fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    CHECK(::bind(fd_, reinterpret_cast<sockaddr*>(&address), length) == 0 && ::listen(fd_, 64) == 0,
          "loopback");
    CHECK(::getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &length) == 0, "loopback");
    url_ = "http://127.0.0.1:" + std::to_string(ntohs(address.sin_port)) + "/v1";
    accepting_ = std::thread([this] {
      while (!is_stopping_)
        if (is_ready(fd_)) {
          const int connection = ::accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC);
          connections_.emplace_back([this, connection] {
            while (serve(connection)) {
            }
            ::close(connection);
          });
        }
    });
  }
  ~TestServer() {
    is_stopping_ = true;
    accepting_.join();
    for (std::thread& connection : connections_) connection.join();
    ::close(fd_);
  }

  const std::string& url() const { return url_; }
  std::vector<Request> seen() {
    const std::lock_guard lock(mutex_);
    return seen_;
  }
  int most_at_once() const { return most_at_once_; }

  // A chat completion that says `text`.
  static std::string completion(const std::string& text) {
    return nlohmann::json{{"choices", {{{"message", {{"content", text}}}, {"finish_reason", "stop"}}}},
                          {"usage", {{"prompt_tokens", 10}, {"completion_tokens", 5}}}}
        .dump();
  }

 private:
  static bool is_ready(int fd) {
    pollfd waiting{fd, POLLIN, 0};
    return ::poll(&waiting, 1, 20) > 0;
  }

  bool serve(int fd) {
    std::string text;
    size_t head = std::string::npos, length = 0;
    while (head == std::string::npos || text.size() < head + 4 + length) {
      if (is_stopping_) return false;
      if (!is_ready(fd)) continue;
      char buffer[65536];
      const ssize_t got = ::recv(fd, buffer, sizeof buffer, 0);
      if (got <= 0) return false;
      text.append(buffer, static_cast<size_t>(got));
      head = text.find("\r\n\r\n");
      const size_t at = text.find("Content-Length: ");
      if (head != std::string::npos && at < head) length = std::stoul(text.substr(at + 16));
    }
    const size_t path = text.find(' ') + 1;
    Request request{.path = text.substr(path, text.find(' ', path) - path),
                    .headers = text.substr(0, head),
                    .body = nlohmann::json::parse(text.substr(head + 4), nullptr, false),
                    .number = 0};
    {
      const std::lock_guard lock(mutex_);
      request.number = seen_.size();
      seen_.push_back(request);
    }
    most_at_once_ = std::max<int>(most_at_once_, ++num_under_way_);
    const Response response = handler_(request);
    for (int waited = 0; waited < response.delay_ms && !is_stopping_; waited += 10)
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    --num_under_way_;
    if (response.hangs_up) return false;
    const std::string out = "HTTP/1.1 " + std::to_string(response.status) +
                            " So\r\nContent-Length: " + std::to_string(response.body.size()) + "\r\n" +
                            response.headers + "\r\n" + response.body;
    for (size_t sent = 0; sent < out.size();) {
      const ssize_t count = ::send(fd, out.data() + sent, out.size() - sent, MSG_NOSIGNAL);
      if (count <= 0) return false;
      sent += static_cast<size_t>(count);
    }
    return true;
  }

  Handler handler_;
  int fd_ = -1;
  std::string url_;
  std::atomic<bool> is_stopping_{false};
  std::atomic<int> num_under_way_{0}, most_at_once_{0};
  std::mutex mutex_;
  std::vector<Request> seen_;
  std::list<std::thread>
      connections_;  // Touched by the accepting thread only, and after it by the destructor.
  std::thread accepting_;
};

}  // namespace poro
