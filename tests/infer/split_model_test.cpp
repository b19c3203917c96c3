// A model that ranks split against the same model whole: logits, log-probabilities, greedy text, and the
// parts of the weights.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <functional>

#include "infer/generator.h"
#include "infer/scorer.h"
#include "tests/model/golden_model.h"
#include "tests/scratch_folder.h"

namespace poro {
namespace {

constexpr double kTolerance = 1e-5;            // float32 sums in another order, relative to the largest logit
constexpr double kReferenceTolerance = 1e-12;  // double

LlamaConfig small_config() {
  LlamaConfig config = LlamaConfig::named_shape("tiny");
  config.vocab_size = 256;
  config.hidden_size = 256;
  config.intermediate_size = 512;
  config.num_heads = 8;
  config.num_kv_heads = 4;
  config.head_dim = 32;
  config.num_layers = 2;
  return config;
}

std::vector<int32_t> some_ids(int64_t count, int64_t seed) {
  std::vector<int32_t> ids;
  for (int64_t i = 0; i < count; ++i) ids.push_back(static_cast<int32_t>((i * 37 + seed * 101 + 5) % 256));
  return ids;
}

// What a model says to a prompt, to a step of two sequences, and to a text.
struct Answers {
  std::vector<double> prompt_logits, step_logits, log_probs;
  std::vector<int32_t> likeliest, greedy;
};

std::vector<double> values_of(const Tensor& tensor) {
  std::vector<double> values;
  for (int64_t i = 0; i < tensor.elements(); ++i) values.push_back(load_element(tensor, i));
  return values;
}

Answers answers_of(Llama& model) {
  Answers answers;
  {
    KvCache cache = model.make_cache(2, 96);
    const std::vector<int32_t> first = some_ids(37, 1), second = some_ids(5, 2);
    const SequenceTokens prompts[] = {{.sequence = 0, .ids = first}, {.sequence = 1, .ids = second}};
    const Tensor hidden = model.forward(prompts, cache);
    answers.prompt_logits = values_of(model.logits(hidden.rows(30, 7)));
    const std::vector<int32_t> next = {3, 200};
    const SequenceTokens step[] = {{.sequence = 0, .ids = std::span(next).first(1)},
                                   {.sequence = 1, .ids = std::span(next).last(1)}};
    const Tensor after = model.forward(step, cache);
    answers.likeliest = model.likeliest(after);
    answers.step_logits = values_of(model.logits(after));
  }
  {  // A second cache, when the others have one of another size.
    Generator generator(model, nullptr, 80);
    answers.greedy =
        generator.generate({.ids = some_ids(20, 3), .sampling = {.temperature = 0}, .max_new_tokens = 40})
            .ids;
  }
  answers.log_probs = Scorer(model, 90).score(some_ids(80, 4));
  return answers;
}

void expect_close(const std::vector<double>& got, const std::vector<double>& want, double tolerance) {
  ASSERT_EQ(got.size(), want.size());
  double largest = 0;
  for (const double value : want) largest = std::max(largest, std::abs(value));
  for (size_t i = 0; i < want.size(); ++i) ASSERT_NEAR(got[i], want[i], tolerance * largest) << i;
}

using MakeDevice = std::function<std::unique_ptr<Device>()>;
using MakeModel = std::function<Llama(Device&, Comm*)>;

void expect_like_whole(int ranks, const MakeDevice& make_device, const MakeModel& make_model,
                       double tolerance) {
  const auto device = make_device();
  Llama whole = make_model(*device, nullptr);
  const Answers want = answers_of(whole);
  run_ranks(ranks, [&](Comm& comm) {
    const auto own = make_device();
    Llama model = make_model(*own, &comm);
    EXPECT_EQ(model.num_ranks(), ranks);
    EXPECT_EQ(model.config().vocab_size, whole.config().vocab_size);
    if (comm.rank() > 0) return model.follow();
    const Answers got = answers_of(model);
    expect_close(got.prompt_logits, want.prompt_logits, tolerance);
    expect_close(got.step_logits, want.step_logits, tolerance);
    expect_close(got.log_probs, want.log_probs, tolerance);
    EXPECT_EQ(got.likeliest, want.likeliest);
    EXPECT_EQ(got.greedy, want.greedy);
  });
}

MakeModel random_model(const LlamaConfig& config, DType dtype) {
  return
      [=](Device& device, Comm* ranks) { return Llama::random(device, config, dtype, 7, {.ranks = ranks}); };
}
std::unique_ptr<Device> one_thread() {
  return Device::cpu(1);
}

TEST(SplitModel, SaysWhatTheWholeModelSays) {
  for (const int ranks : {2, 4}) {
    expect_like_whole(ranks, one_thread, random_model(small_config(), DType::kF32), kTolerance);
    expect_like_whole(ranks, Device::reference, random_model(small_config(), DType::kF32),
                      kReferenceTolerance);
  }
}

TEST(SplitModel, SplitsATiedHead) {
  LlamaConfig config = small_config();
  config.has_tied_head = true;
  expect_like_whole(2, one_thread, random_model(config, DType::kF32), kTolerance);
}

TEST(SplitModel, OfAFolder) {
  const ScratchFolder folder;
  const auto device = Device::cpu(1);
  const Llama model = Llama::random(*device, small_config(), DType::kBF16, 11);
  save_checkpoint(folder.path(), model.config(), named_tensors(model), {});
  const MakeModel load = [&](Device& on, Comm* ranks) {
    return Llama::load(on, folder.path(), {.weights = DType::kF32, .ranks = ranks});
  };
  expect_like_whole(2, one_thread, load, kTolerance);
}

TEST(SplitModel, OfAGolden) {
  const char* goldens = std::getenv("PORO_GOLDENS");
  if (goldens == nullptr) GTEST_SKIP() << "set PORO_GOLDENS to the folder with models/tiny-a";
  const MakeModel load = [&](Device& on, Comm* ranks) {
    return Llama::load(on, std::filesystem::path(goldens) / "models/tiny-a",
                       {.weights = DType::kF32, .ranks = ranks});
  };
  expect_like_whole(2, one_thread, load, kTolerance);
}

std::string bytes_of(const Tensor& tensor, size_t first, size_t count) {
  return {reinterpret_cast<const char*>(tensor.data) + first, count};
}

// Groups of columns and panels of rows that lie within a part are quantised as they are in the whole.
TEST(SplitModel, QuantisedPartsAreThoseOfTheWhole) {
  for (const DType dtype : {DType::kI8, DType::kI4}) {
    const auto device = Device::cpu(1);
    const Llama whole = Llama::random(*device, small_config(), dtype, 7);
    run_ranks(2, [&](Comm& comm) {
      const auto own = Device::cpu(1);
      Llama part = Llama::random(*own, small_config(), dtype, 7, {.ranks = &comm});
      const size_t rank = static_cast<size_t>(comm.rank());
      const Tensor &gate = part.weights().layers[1].gate.values,
                   &whole_gate = whole.weights().layers[1].gate.values;
      EXPECT_EQ(bytes_of(gate, 0, gate.bytes()), bytes_of(whole_gate, rank * gate.bytes(), gate.bytes()));
      const Tensor &down = part.weights().layers[1].down.values,
                   &whole_down = whole.weights().layers[1].down.values;
      ASSERT_EQ(whole_down.bytes(), 2 * down.bytes());
      const size_t panels = static_cast<size_t>(down.dim(0)), panel = down.bytes() / panels;
      for (size_t i = 0; i < panels; ++i)
        EXPECT_EQ(bytes_of(down, i * panel, panel), bytes_of(whole_down, (2 * i + rank) * panel, panel));
      if (comm.rank() > 0) part.follow();  // Until the other one's is gone.
    });
  }
}

TEST(SplitModel, SaysWhatCannotBeSplit) {
  const std::pair<int, const char*> cases[] = {{3, "query heads, 8"}, {8, "key/value heads, 4"}};
  for (const auto& [ranks, what] : cases) {
    try {
      run_ranks(ranks, [](Comm& comm) {
        const auto device = Device::cpu(1);
        Llama::random(*device, small_config(), DType::kF32, 7, {.ranks = &comm});
      });
      ADD_FAILURE() << ranks << " ranks split it";
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find(what), std::string::npos) << error.what();
    }
  }
}

TEST(SplitModel, ARankThatFailsStopsTheOthers) {
  EXPECT_THROW(run_ranks(2,
                         [](Comm& comm) {
                           const auto device = Device::cpu(1);
                           Llama model =
                               Llama::random(*device, small_config(), DType::kF32, 7, {.ranks = &comm});
                           if (comm.rank() > 0) return model.follow();
                           KvCache cache = model.make_cache(1, 8);
                           const std::vector<int32_t> ids = {1, 2, 3};
                           const SequenceTokens tokens{.sequence = 0, .ids = ids};
                           model.forward({&tokens, 1}, cache);
                           fail("enough");
                         }),
               Error);
}

}  // namespace
}  // namespace poro
