#include "eval/remote_chat.h"

#include <algorithm>
#include <charconv>
#include <condition_variable>
#include <deque>
#include <exception>
#include <thread>

#include "base/error.h"
#include "base/json.h"
#include "base/random.h"
#include "eval/python_text.h"
#include "eval/remote_reply.h"

namespace poro {
namespace {

using Clock = std::chrono::steady_clock;
using Milliseconds = std::chrono::milliseconds;

constexpr Milliseconds kLongestWait{60000};
constexpr int64_t kTokensPerMessage = 16;  // What a chat template adds, at the most.

// No tokenizer has more tokens than bytes.
int64_t most_tokens(const ChatRequest& request) {
  int64_t tokens = static_cast<int64_t>(request.text.size()) + request.max_new_tokens;
  for (const Message& message : request.messages)
    tokens += static_cast<int64_t>(message.content.size()) + kTokensPerMessage;
  return tokens;
}

}  // namespace

// What the threads of one call share: who takes which request, what came back, and when to stop.
class RemoteChat::Work {
 public:
  explicit Work(size_t num_requests) : num_requests_(num_requests) {}

  std::optional<size_t> take() {
    const std::lock_guard lock(mutex_);
    if (is_stopping_ || next_ == num_requests_) return std::nullopt;
    return next_++;
  }
  void deliver(size_t request, ChatReply reply) {
    const std::lock_guard lock(mutex_);
    replies_.emplace_back(request, std::move(reply));
    changed_.notify_all();
  }
  void stop(std::exception_ptr why) {
    const std::lock_guard lock(mutex_);
    if (!error_) error_ = std::move(why);
    is_stopping_ = true;
    changed_.notify_all();
  }
  void leave() {
    const std::lock_guard lock(mutex_);
    ++num_left_;
    changed_.notify_all();
  }
  // False when the work is being stopped.
  bool sleep_until(Clock::time_point time) {
    std::unique_lock lock(mutex_);
    return !changed_.wait_until(lock, time, [&] { return is_stopping_; });
  }

  // Hands out replies until all threads have left; then what stopped them is thrown.
  void collect(size_t num_threads, const OnReply& on_reply) {
    std::unique_lock lock(mutex_);
    while (true) {
      changed_.wait(lock, [&] { return !replies_.empty() || num_left_ == num_threads; });
      if (replies_.empty()) break;
      auto [request, reply] = std::move(replies_.front());
      replies_.pop_front();
      lock.unlock();
      on_reply(request, std::move(reply));
      lock.lock();
    }
    if (error_) std::rethrow_exception(error_);
  }

 private:
  const size_t num_requests_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::pair<size_t, ChatReply>> replies_;
  size_t next_ = 0, num_left_ = 0;
  bool is_stopping_ = false;
  std::exception_ptr error_;
};

RemoteChat::RemoteChat(RemoteOptions options) : options_(std::move(options)), budget_(options_.token_budget) {
  while (options_.url.ends_with('/')) options_.url.pop_back();
  if (url_origin(options_.url).empty())
    fail("\"{}\" is no URL of a server; it begins with http:// or https://", options_.url);
  if (options_.name.empty()) fail("which model of {}? name it as the server does", options_.url);
  if (options_.concurrency < 1 || options_.concurrency > 256)
    fail("{} requests at once is not from 1 to 256", options_.concurrency);
  CHECK(options_.max_attempts >= 1, "{} attempts", options_.max_attempts);
  if (!options_.cache.empty()) cache_.emplace(options_.cache);
}

nlohmann::ordered_json RemoteChat::identity() const {
  return {{"kind", "server"}, {"url", options_.url}, {"name", options_.name}};
}

RemoteChat::Usage RemoteChat::usage() const {
  const std::lock_guard lock(mutex_);
  Usage usage = usage_;
  usage.tokens = budget_.used();
  return usage;
}

void RemoteChat::answer(std::span<const ChatRequest> requests, const OnReply& on_reply) {
  Work work(requests.size());
  const size_t num_threads = std::min(requests.size(), static_cast<size_t>(options_.concurrency));
  std::vector<std::thread> threads;
  for (size_t i = 0; i < num_threads; ++i)
    threads.emplace_back([&] {
      try {
        HttpClient client(options_.timeout);
        while (const std::optional<size_t> request = work.take())
          work.deliver(*request, ask(client, requests[*request], work));
      } catch (...) {
        work.stop(std::current_exception());
      }
      work.leave();
    });
  std::exception_ptr error;
  try {
    work.collect(num_threads, on_reply);
  } catch (...) {
    error = std::current_exception();
    work.stop(error);
  }
  for (std::thread& thread : threads) thread.join();
  if (error) std::rethrow_exception(error);
}

ChatReply RemoteChat::ask(HttpClient& client, const ChatRequest& request, Work& work) {
  const std::string endpoint =
      options_.url + (request.messages.empty() ? "/completions" : "/chat/completions");
  const std::string body = request_body(options_.name, request);
  const std::string whole = endpoint + "\n" + body;
  if (cache_)
    if (const auto known = cache_->find(whole)) {
      const std::lock_guard lock(mutex_);
      ++usage_.from_cache;
      return read_reply(*known, request).value();
    }
  const int64_t most = most_tokens(request);
  if (!budget_.reserve(most))
    fail(
        "the budget of {} tokens would be passed ({} are used, the next request may take {}); what was "
        "answered is "
        "kept, raise the budget to go on",
        options_.token_budget, budget_.used(), most);
  TokenBudget::Settlement settlement{.reserved = most, .used = 0};
  try {
    const std::string answer = ask_server(client, endpoint, body, work).text;
    auto reply = read_reply(answer, request);
    // An answer without a count of tokens is taken to have used all it could.
    if (reply) settlement.used = reply->prompt_tokens + reply->completion_tokens;
    if (reply && settlement.used == 0) settlement.used = most;
    budget_.settle(settlement);
    if (reply && cache_ && reply->status == ChatReply::Status::kAnswered) cache_->store(whole, answer);
    return reply ? *reply : ChatReply{.status = ChatReply::Status::kFailed, .text = answer};
  } catch (...) {
    budget_.settle(settlement);
    throw;
  }
}

void RemoteChat::wait_for_slot(Work& work) {
  Clock::time_point slot;
  {
    const std::lock_guard lock(mutex_);
    ++usage_.requests;
    if (options_.requests_per_minute <= 0) return;
    slot = std::max(next_slot_, Clock::now());
    next_slot_ = slot + std::chrono::duration_cast<Clock::duration>(
                            std::chrono::duration<double>(60 / options_.requests_per_minute));
  }
  if (!work.sleep_until(slot)) fail("stopped");
}

Milliseconds RemoteChat::retry_wait(const HttpResponse& response, int attempt) const {
  const Milliseconds backoff =
      std::min<Milliseconds>(kLongestWait, options_.first_wait * (1 << std::min(attempt, 16)));
  const std::string asked = response.header("retry-after");
  int seconds = 0;
  const auto parsed = std::from_chars(asked.data(), asked.data() + asked.size(), seconds);
  if (!asked.empty() && parsed.ec == std::errc() && seconds >= 0)
    return std::min<Milliseconds>(kLongestWait, std::chrono::seconds(seconds));
  return backoff;
}

ChatReply RemoteChat::ask_server(HttpClient& client, const std::string& endpoint, const std::string& body,
                                 Work& work) {
  HttpRequest http{.method = HttpMethod::kPost,
                   .url = endpoint,
                   .headers = {"Content-Type: application/json"},
                   .body = body};
  if (!options_.key.empty()) http.headers.push_back("Authorization: Bearer " + options_.key);
  Random jitter(std::hash<std::string>()(body));
  std::string reason;
  for (int attempt = 0; attempt < options_.max_attempts; ++attempt) {
    wait_for_slot(work);
    HttpResponse response;
    std::string answer;
    try {
      response = client.send(http, [&](const HttpResponse&, std::string_view bytes) { answer += bytes; });
      is_reachable_ = true;
      if (response.status / 100 == 2) {
        if (is_whole_reply(answer)) return {.text = answer};
        reason = "the server's answer is no completion: " + quote(answer);
      } else {
        const Refusal refusal = classify(response);
        reason =
            options_.key.empty() ? refusal.sentence : python::replace(refusal.sentence, options_.key, "***");
        if (refusal.kind == Refusal::Kind::kForAll)
          fail("{} {}{}", options_.url, reason,
               response.status == 401 && !options_.key_variable.empty()
                   ? "; the key is taken from " + options_.key_variable
                   : "");
        if (refusal.kind == Refusal::Kind::kForThis)
          return {.status = ChatReply::Status::kFailed, .text = reason};
      }
    } catch (const ConnectionError& error) {
      reason = fmt::format("no answer from the server ({})", error.what());
    }
    if (attempt + 1 == options_.max_attempts) break;
    const auto wait = retry_wait(response, attempt) * (0.75 + 0.5 * jitter.uniform());
    {
      const std::lock_guard lock(mutex_);
      ++usage_.retries;
    }
    if (!work.sleep_until(Clock::now() + std::chrono::duration_cast<Clock::duration>(wait))) fail("stopped");
  }
  const std::string sentence = fmt::format("{}, {} times", reason, options_.max_attempts);
  if (!is_reachable_) fail("{}: {}; is it running, and is the address right?", options_.url, sentence);
  return {.status = ChatReply::Status::kFailed, .text = sentence};
}

}  // namespace poro
