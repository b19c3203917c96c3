#include "base/http.h"

#include <curl/curl.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <exception>

#include "base/version.h"

namespace poro {
namespace {

constexpr long kConnectSeconds = 20;
constexpr size_t kMaxErrorBytes = size_t{64} << 10;

// What the callbacks of one transfer share.
struct Transfer {
  HttpResponse response;
  const HttpClient::Sink& sink;
  std::exception_ptr thrown;  // C code between the sink and `send` must not see it.
};

std::string_view trim(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r\n";
  const size_t first = text.find_first_not_of(kBlank);
  if (first == text.npos) return {};
  return text.substr(first, text.find_last_not_of(kBlank) - first + 1);
}

size_t receive_header(char* data, size_t, size_t size, void* user) {
  HttpResponse& response = static_cast<Transfer*>(user)->response;
  const std::string_view line(data, size);
  if (line.starts_with("HTTP/")) {  // A new answer: after "100 Continue", say.
    response = {};
    const size_t space = line.find(' ');
    if (space != line.npos) response.status = std::atoi(std::string(line.substr(space + 1)).c_str());
  } else if (const size_t colon = line.find(':'); colon != line.npos) {
    std::string name(trim(line.substr(0, colon)));
    std::ranges::transform(name, name.begin(),
                           [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    response.headers[name] = trim(line.substr(colon + 1));
  }
  return size;
}

size_t receive_body(char* data, size_t, size_t size, void* user) {
  auto& transfer = *static_cast<Transfer*>(user);
  if (transfer.response.status / 100 != 2) {
    std::string& body = transfer.response.error_body;
    body.append(data, std::min(size, kMaxErrorBytes - body.size()));
    return size;
  }
  if (!transfer.sink) return size;
  try {
    transfer.sink(transfer.response, {data, size});
    return size;
  } catch (...) {
    transfer.thrown = std::current_exception();
    return CURL_WRITEFUNC_ERROR;
  }
}

struct FreeList {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
struct FreeUrl {
  void operator()(CURLU* url) const { curl_url_cleanup(url); }
};
using Url = std::unique_ptr<CURLU, FreeUrl>;

std::string part(const Url& url, CURLUPart which, unsigned int flags) {
  char* text = nullptr;
  if (curl_url_get(url.get(), which, &text, flags) != CURLUE_OK) return "";
  std::string result = text;
  curl_free(text);
  return result;
}

}  // namespace

std::string HttpResponse::header(const std::string& name) const {
  const auto found = headers.find(name);
  return found == headers.end() ? "" : found->second;
}

void HttpClient::Free::operator()(void* curl) const {
  curl_easy_cleanup(curl);
}

HttpClient::HttpClient(std::chrono::seconds stall_limit) {
  static const CURLcode initialised = curl_global_init(CURL_GLOBAL_DEFAULT);
  curl_.reset(initialised == CURLE_OK ? curl_easy_init() : nullptr);
  if (curl_ == nullptr) throw std::runtime_error("libcurl cannot be started");
  CURL* curl = curl_.get();
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, kConnectSeconds);
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, static_cast<long>(stall_limit.count()));
  curl_easy_setopt(curl, CURLOPT_USERAGENT, ("poro/" + version()).c_str());
  curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, receive_header);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, receive_body);
}

HttpResponse HttpClient::send(const HttpRequest& request, const Sink& sink) {
  CURL* curl = curl_.get();
  Transfer transfer{.response = {}, .sink = sink, .thrown = nullptr};
  std::unique_ptr<curl_slist, FreeList> headers;
  for (const std::string& header : request.headers) {
    curl_slist* longer = curl_slist_append(headers.get(), header.c_str());
    CHECK(longer != nullptr, "out of memory");
    (void)headers.release();
    headers.reset(longer);
  }
  char reason[CURL_ERROR_SIZE] = "";
  curl_easy_setopt(curl, CURLOPT_URL, request.url.c_str());
  curl_easy_setopt(curl, CURLOPT_NOBODY, request.method == HttpMethod::kHead ? 1L : 0L);
  if (request.method == HttpMethod::kGet) curl_easy_setopt(curl, CURLOPT_HTTPGET, 1L);
  if (request.method == HttpMethod::kPost) {
    curl_easy_setopt(curl, CURLOPT_POST, 1L);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request.body.data());
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
  }
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers.get());
  curl_easy_setopt(curl, CURLOPT_HEADERDATA, &transfer);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &transfer);
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, reason);
  const CURLcode code = curl_easy_perform(curl);
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, nullptr);
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, nullptr);
  if (transfer.thrown) std::rethrow_exception(transfer.thrown);
  if (code != CURLE_OK) throw ConnectionError(reason[0] != '\0' ? reason : curl_easy_strerror(code));
  return transfer.response;
}

std::string url_origin(const std::string& url) {
  const Url parsed(curl_url());
  if (curl_url_set(parsed.get(), CURLUPART_URL, url.c_str(), 0) != CURLUE_OK) return "";
  const std::string scheme = part(parsed, CURLUPART_SCHEME, 0);
  if (scheme != "http" && scheme != "https") return "";
  return scheme + "://" + part(parsed, CURLUPART_HOST, 0) + ":" +
         part(parsed, CURLUPART_PORT, CURLU_DEFAULT_PORT);
}

std::string resolve_url(const std::string& base, const std::string& location) {
  const Url parsed(curl_url());
  if (curl_url_set(parsed.get(), CURLUPART_URL, base.c_str(), 0) != CURLUE_OK) return "";
  if (curl_url_set(parsed.get(), CURLUPART_URL, location.c_str(), 0) != CURLUE_OK) return "";
  return part(parsed, CURLUPART_URL, 0);
}

std::string escape_url(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    const bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                          c == '-' || c == '.' || c == '_' || c == '~';
    escaped += is_plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return escaped;
}

}  // namespace poro
