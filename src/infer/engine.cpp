#include "infer/engine.h"

#include <algorithm>

#include "base/error.h"
#include "model/generation_memory.h"

namespace poro {
namespace {

// A full context for every sequence would be far more memory than answers need. This much for each is plenty;
// whoever needs more has it while the others wait.
constexpr int64_t kPositionsPerSequence = 4096;

int64_t total_positions(const Llama& model, const Engine::Options& options) {
  int64_t plenty = options.sequences * std::min(options.context, kPositionsPerSequence);
  if (model.device().is_cuda()) {  // There memory is taken at once.
    const double free = static_cast<double>(gpu::memory(model.device().cuda_backend()).first),
                 position = static_cast<double>(model.cache_bytes_on_device({.max_positions = 64})) / 64;
    plenty = std::min(plenty, static_cast<int64_t>((free - working_bytes(model)) / position));
  }
  return std::max(options.context, plenty);
}

int64_t shared_tokens(const std::vector<int32_t>& prompt, const std::vector<int32_t>& ids) {
  // The last token of a prompt is always fed again: its logits are not kept.
  return std::mismatch(prompt.begin(), prompt.end() - 1, ids.begin(), ids.end()).first - prompt.begin();
}

}  // namespace

Engine::Engine(Llama& model, const Tokenizer* tokenizer, const Options& options)
    : model_(model),
      tokenizer_(tokenizer),
      options_(options),
      cache_(model.make_cache({.max_sequences = options.sequences,
                               .max_positions = options.context,
                               .total_positions = total_positions(model, options)})),
      free_positions_(cache_.total_positions()),
      places_(static_cast<size_t>(options.sequences)) {
  CHECK(options.sequences > 0 && options.sequences <= kMaxSequences, "{} sequences", options.sequences);
}

void Engine::check_prompt(const std::vector<int32_t>& ids) const {
  if (ids.empty()) fail("the prompt is empty; give at least one token");
  if (std::ssize(ids) >= context())
    fail(
        "the prompt has {} tokens, and the context of {} must hold it and at least one more; shorten the "
        "prompt{}",
        ids.size(), context(),
        context() < model_.config().max_positions
            ? fmt::format(", or raise --context (the model allows {})", model_.config().max_positions)
            : "");
  const int64_t vocab_size = model_.config().vocab_size;
  for (size_t i = 0; i < ids.size(); ++i)
    if (ids[i] < 0 || ids[i] >= vocab_size)
      fail(
          "token {} at index {} of the prompt is outside the model's vocabulary of {}; do tokenizer and "
          "model belong together?",
          ids[i], i, vocab_size);
}

int64_t Engine::submit(GenerationRequest request, OnText on_text) {
  check_prompt(request.ids);
  waiting_.push_back(
      {.number = next_number_++,
       .answer = std::make_unique<Answer>(std::move(request), tokenizer_, context(), std::move(on_text))});
  return waiting_.back().number;
}

void Engine::cancel(int64_t number) {
  for (Place& place : places_)
    if (place.answer && place.number == number) place.answer->cancel();
  for (Task& task : waiting_)
    if (task.number == number) task.answer->cancel();
}

std::vector<Engine::Finished> Engine::step() {
  std::vector<Finished> finished;
  for (Place& place : places_)
    if (place.answer && place.answer->is_cancelled()) place.answer->cancel();
  for (Task& task : waiting_) {
    if (task.answer->is_cancelled()) task.answer->cancel();
    if (task.answer->is_done())
      finished.push_back({.number = task.number, .generation = task.answer->finish(), .error = {}});
  }
  std::erase_if(waiting_, [](const Task& task) { return task.answer->is_done(); });
  admit();
  prefill();
  decode();
  collect(finished);
  return finished;
}

// The first in the queue enter first, even where a later one would need less room.
void Engine::admit() {
  while (!waiting_.empty()) {
    Place* best = nullptr;
    for (Place& place : places_) {
      const auto shared = [&](const Place& p) {
        return shared_tokens(waiting_.front().answer->prompt(), p.ids);
      };
      if (!place.answer && (best == nullptr || shared(place) > shared(*best))) best = &place;
    }
    const int64_t needed = cache_.whole_pages(waiting_.front().answer->max_tokens());
    if (best == nullptr || needed > free_positions_) return;
    free_positions_ -= needed;
    best->reserved = needed;
    Task task = std::move(waiting_.front());
    waiting_.pop_front();
    enter(*best, std::move(task));
  }
}

void Engine::enter(Place& place, Task task) {
  // What free places keep is in nobody's reservation.
  for (Place& other : places_)
    if (&other != &place && !other.answer) forget(other, 0);
  forget(place, shared_tokens(task.answer->prompt(), place.ids));
  place.cached_tokens = std::ssize(place.ids);
  place.number = task.number;
  place.answer = std::move(task.answer);
  place.begin = place.first_token = Clock::now();
  ++num_active_;
}

void Engine::forget(Place& place, int64_t length) {
  cache_.truncate(&place - places_.data(), length);
  place.ids.resize(static_cast<size_t>(length));
}

// Hidden states after the new tokens.
Tensor Engine::feed(std::span<const SequenceTokens> batch) {
  const Tensor hidden = model_.forward(batch, cache_);
  for (const SequenceTokens& tokens : batch) {
    std::vector<int32_t>& ids = places_[static_cast<size_t>(tokens.sequence)].ids;
    ids.insert(ids.end(), tokens.ids.begin(), tokens.ids.end());
  }
  return hidden;
}

// A chunk of the prompt that came first.
void Engine::prefill() {
  Place* place = nullptr;
  for (Place& other : places_)
    if (other.is_prefilling() && !other.answer->is_done() &&
        (place == nullptr || other.number < place->number))
      place = &other;
  if (place == nullptr) return;
  const auto rest = std::span(place->answer->prompt()).subspan(place->ids.size());
  const auto chunk = rest.first(std::min<size_t>(rest.size(), static_cast<size_t>(model_.max_tokens())));
  const SequenceTokens batch[] = {{.sequence = place - places_.data(), .ids = chunk}};
  const Tensor hidden = feed(batch);
  if (place->is_prefilling()) return;
  const Tensor logits = model_.logits(hidden.rows(hidden.dim(0) - 1, 1));
  place->first_token = Clock::now();
  take(*place, logits);
}

void Engine::decode() {
  std::vector<int32_t> last(places_.size());
  std::vector<SequenceTokens> batch;
  for (size_t i = 0; i < places_.size(); ++i) {
    const Place& place = places_[i];
    if (!place.answer || place.answer->is_done() || place.is_prefilling()) continue;
    last[i] = place.answer->last();
    batch.push_back({.sequence = static_cast<int64_t>(i), .ids = {&last[i], 1}});
  }
  if (batch.empty()) return;
  const Tensor hidden = feed(batch);
  const auto answer = [&](size_t i) -> Answer& {
    return *places_[static_cast<size_t>(batch[i].sequence)].answer;
  };
  bool is_likeliest = true;
  for (size_t i = 0; i < batch.size(); ++i) is_likeliest = is_likeliest && answer(i).takes_likeliest();
  if (is_likeliest) {
    const std::vector<int32_t> ids = model_.likeliest(hidden);
    if (std::ranges::find(ids, -1) == ids.end()) {
      for (size_t i = 0; i < batch.size(); ++i) answer(i).take(ids[i]);
      return;
    }
  }
  if (model_.device().is_cuda() && std::ranges::all_of(batch, [&](const SequenceTokens& tokens) {
        return places_[static_cast<size_t>(tokens.sequence)].answer->takes_likely();
      }))
    return decode_likely(batch, hidden);
  const Tensor logits = model_.logits(hidden);
  for (size_t i = 0; i < batch.size(); ++i)
    take(places_[static_cast<size_t>(batch[i].sequence)], logits.rows(static_cast<int64_t>(i), 1));
}

// All logits of a step are more than the rest of it takes, to copy and to look through; a few hundred of them
// are nearly always enough.
void Engine::decode_likely(std::span<const SequenceTokens> batch, const Tensor& hidden) {
  const auto place = [&](size_t i) -> Place& { return places_[static_cast<size_t>(batch[i].sequence)]; };
  std::vector<double> temperatures;
  for (size_t i = 0; i < batch.size(); ++i) {
    const double temperature = place(i).answer->temperature();
    temperatures.push_back(temperature > 0 ? temperature : 1);
  }
  const std::vector<Llama::Likely> likely = model_.likely(hidden, temperatures);
  std::vector<size_t> rest;
  for (size_t i = 0; i < batch.size(); ++i) {
    const LikelyTokens tokens{.ids = likely[i].ids,
                              .logits = likely[i].logits,
                              .total = likely[i].total,
                              .vocab = model_.config().vocab_size};
    if (!place(i).answer->take(tokens)) rest.push_back(i);
  }
  for (const size_t i : rest) take(place(i), model_.logits(hidden.rows(static_cast<int64_t>(i), 1)));
}

void Engine::take(Place& place, const Tensor& logits) {
  try {
    place.answer->take(logits.reshaped({model_.config().vocab_size}));
  } catch (const Error& error) {
    place.error = error.what();
    place.answer->cancel();
  }
}

void Engine::collect(std::vector<Finished>& finished) {
  const auto seconds = [](Clock::duration time) { return std::chrono::duration<double>(time).count(); };
  for (Place& place : places_) {
    if (!place.answer || !place.answer->is_done()) continue;
    Finished done{.number = place.number,
                  .generation = place.answer->finish(),
                  .error = std::exchange(place.error, {})};
    done.generation.cached_tokens = place.cached_tokens;
    done.generation.prefill_seconds = seconds(place.first_token - place.begin);
    done.generation.decode_seconds = seconds(Clock::now() - place.first_token);
    place.answer.reset();
    free_positions_ += place.reserved;
    --num_active_;
    if (options_.prefix == Prefix::kForgotten) forget(place, 0);
    finished.push_back(std::move(done));
  }
}

}  // namespace poro
