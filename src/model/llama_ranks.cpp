// Ranks that split a model in generation: the first one is asked, and tells the others what to run beside it,
// in a few integers. They keep no books: which positions a cache holds is in the plan of each call, and a
// cache is made when a plan first names it.
#include <algorithm>
#include <map>

#include "model/forward_plan.h"
#include "model/llama_activations.h"

namespace poro {

void Llama::tell(Order order, std::span<const int32_t> content) {
  if (!is_leading()) return;
  int32_t header[] = {static_cast<int32_t>(order), static_cast<int32_t>(content.size())};
  ranks_.comm().broadcast(std::as_writable_bytes(std::span(header)));
  std::vector<int32_t> copy(content.begin(), content.end());
  if (!copy.empty()) ranks_.comm().broadcast(std::as_writable_bytes(std::span(copy)));
}

// About rows of what the last forward call returned.
void Llama::tell(Order order, const Tensor& hidden, std::span<const int32_t> content) {
  if (!is_leading()) return;
  const Tensor& all = ending().final_normed;
  const size_t row = all.rows(0, 1).bytes();
  CHECK(hidden.data >= all.data && hidden.data < all.data + all.bytes(), "{} is not what forward returned",
        hidden.str());
  std::vector<int32_t> message = {static_cast<int32_t>(static_cast<size_t>(hidden.data - all.data) / row),
                                  static_cast<int32_t>(hidden.dim(0))};
  message.insert(message.end(), content.begin(), content.end());
  tell(order, message);
}

namespace {

// The cache's number and options, and the numbers of all caches there are.
std::vector<int32_t> about_cache(const KvCache& cache, std::span<const std::weak_ptr<const int32_t>> caches) {
  const KvCacheOptions& o = cache.options();
  std::vector<int32_t> message = {*cache.number, 0};
  for (const int64_t value : {o.max_sequences, o.max_positions, o.total_positions, o.page_size})
    message.push_back(static_cast<int32_t>(value));
  for (const std::weak_ptr<const int32_t>& other : caches)
    if (const auto number = other.lock()) message.push_back(*number);
  message[1] = static_cast<int32_t>(message.size());
  return message;
}

}  // namespace

void Llama::tell_forward(const ForwardPlan& plan, const KvCache& cache) {
  if (!is_leading()) return;
  std::erase_if(caches_, [](const auto& number) { return number.expired(); });
  CHECK(cache.number != nullptr, "a cache that this model did not make");
  std::vector<int32_t> message = about_cache(cache, caches_);
  const std::vector<int32_t> packed = plan.packed();
  message.insert(message.end(), packed.begin(), packed.end());
  tell(Order::kForward, message);
}

namespace {

// The other ranks' side of the leader's caches.
class FollowedCaches {
 public:
  explicit FollowedCaches(Llama& model) : model_(model) {}

  // As about_cache says it; the rest of the message begins at content[1].
  KvCache& find(std::span<const int32_t> content) {
    const std::span<const int32_t> numbers = content.subspan(6, static_cast<size_t>(content[1]) - 6);
    std::erase_if(
        caches_, [&](const auto& entry) { return std::ranges::find(numbers, entry.first) == numbers.end(); });
    const KvCacheOptions options{.max_sequences = content[2],
                                 .max_positions = content[3],
                                 .total_positions = content[4],
                                 .page_size = content[5]};
    if (!caches_.contains(content[0])) caches_.emplace(content[0], model_.make_cache(options));
    return caches_.at(content[0]);
  }

 private:
  Llama& model_;
  std::map<int32_t, KvCache> caches_;
};

}  // namespace

void Llama::follow() {
  FollowedCaches caches(*this);
  for (;;) {
    int32_t header[2] = {};
    ranks_.comm().broadcast(std::as_writable_bytes(std::span(header)));
    std::vector<int32_t> content(static_cast<size_t>(header[1]));
    if (!content.empty()) ranks_.comm().broadcast(std::as_writable_bytes(std::span(content)));
    const auto hidden = [&] { return ending().final_normed.rows(content[0], content[1]); };
    switch (static_cast<Order>(header[0])) {
      case Order::kForward:
        forward(ForwardPlan(std::span(content).subspan(static_cast<size_t>(content[1]))),
                caches.find(content));
        break;
      case Order::kHead:
        whole_head(hidden());
        break;
      case Order::kLikeliest:
        likeliest(hidden());
        break;
      case Order::kLogProbs:
        log_probs(hidden(), std::span(content).subspan(2));
        break;
      case Order::kClose:
        return;
    }
  }
}

}  // namespace poro
