// One HTTP request at a time, over libcurl. Redirects are answers like any other: who may follow them, and
// with which headers, is for the caller to decide.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace poro {

// The connection failed, was cut or stalled: trying again may help.
class ConnectionError : public Error {
 public:
  using Error::Error;
};

enum class HttpMethod { kGet, kHead, kPost };

struct HttpRequest {
  HttpMethod method = HttpMethod::kGet;
  std::string url;
  std::vector<std::string> headers = {};  // "Name: value"
  std::string body = {};                  // Of a POST.
};

struct HttpResponse {
  int status = 0;
  std::map<std::string, std::string> headers;  // Names in lower case.
  std::string error_body;                      // The first 64 KiB of what came with a status other than 2xx.

  // Empty when absent.
  std::string header(const std::string& name) const;
};

// Keeps connections open between requests. One thread at a time may use it.
class HttpClient {
 public:
  // A transfer that brings nothing for `stall_limit` has failed.
  explicit HttpClient(std::chrono::seconds stall_limit);

  using Sink = std::function<void(const HttpResponse& response, std::string_view bytes)>;
  // The body of a 2xx answer goes to `sink` piece by piece; what it throws ends the transfer and arrives
  // here. Throws ConnectionError.
  HttpResponse send(const HttpRequest& request, const Sink& sink);

 private:
  struct Free {
    void operator()(void* curl) const;
  };
  std::unique_ptr<void, Free> curl_;
};

// "https://host:443" of a URL; empty when it is none with http or https.
std::string url_origin(const std::string& url);
// Where `location`, perhaps relative, leads from `base`; empty when it is no URL.
std::string resolve_url(const std::string& base, const std::string& location);
// Everything but letters, digits and -._~ as %XX.
std::string escape_url(std::string_view text);

}  // namespace poro
