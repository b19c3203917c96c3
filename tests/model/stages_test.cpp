// A model whose first blocks lie on another device says what it says whole: prompts in chunks, token by
// token, after forgetting some, several sequences, packed rows.
#include <gtest/gtest.h>

#include <cmath>

#include "tests/model/golden_model.h"
#include "tests/scratch_folder.h"

namespace poro {
namespace {

constexpr int64_t kLayers = 3;

LlamaConfig small_config() {
  LlamaConfig config = LlamaConfig::named_shape("tiny");
  config.num_layers = kLayers;
  config.vocab_size = 256;
  return config;
}

std::vector<int32_t> some_ids(int64_t count, int64_t salt) {
  std::vector<int32_t> ids;
  for (int64_t i = 0; i < count; ++i)
    ids.push_back(static_cast<int32_t>((i * 37 + salt * 101 + i * i) % 256));
  return ids;
}

void append(std::vector<double>& all, const Tensor& tensor) {
  for (int64_t i = 0; i < tensor.elements(); ++i) all.push_back(load_element(tensor, i));
}

// Logits, log-probabilities and likeliest tokens of a conversation of two sequences, one after the other.
std::vector<double> answers_of(Llama& model) {
  std::vector<double> all;
  KvCache cache = model.make_cache(2, 128);
  const std::vector<int32_t> first = some_ids(90, 1), second = some_ids(70, 2);
  const auto feed = [&](int64_t sequence, std::span<const int32_t> ids) {
    const SequenceTokens tokens{.sequence = sequence, .ids = ids};
    append(all, model.logits(model.forward({&tokens, 1}, cache)));
  };
  feed(0, std::span(first).first(33));
  feed(1, std::span(second).first(5));
  feed(0, std::span(first).subspan(33, 40));
  for (size_t i = 0; i < 6; ++i) {
    const SequenceTokens step[] = {{.sequence = 0, .ids = std::span(first).subspan(73 + i, 1)},
                                   {.sequence = 1, .ids = std::span(second).subspan(5 + i, 1)}};
    const Tensor hidden = model.forward(step, cache);
    append(all, model.logits(hidden));
    for (const int32_t id : model.likeliest(hidden)) all.push_back(id);
  }
  cache.truncate(0, 20);  // And on from there with something else.
  feed(0, std::span(second).subspan(20, 3));
  feed(0, std::span(second).subspan(23, 1));
  const Tensor hidden = model.forward_packed(second, std::vector<int32_t>(second.size(), 0));
  const std::vector<double> log_probs = model.log_probs(hidden.rows(0, 60), std::span(second).subspan(1, 60));
  all.insert(all.end(), log_probs.begin(), log_probs.end());
  return all;
}

void expect_close(const std::vector<double>& got, const std::vector<double>& want, double tolerance) {
  ASSERT_EQ(got.size(), want.size());
  for (size_t i = 0; i < want.size(); ++i) ASSERT_NEAR(got[i], want[i], tolerance) << "at " << i;
}

TEST(Stages, OfOneKindChangeNoBit) {
  for (const DType dtype : {DType::kF32, DType::kBF16, DType::kI8, DType::kI4}) {
    const auto device = Device::cpu(1), first = Device::cpu(2);
    Llama whole = Llama::random(*device, small_config(), dtype, 5);
    const std::vector<double> want = answers_of(whole);
    for (int64_t layers = 0; layers < kLayers; ++layers) {
      Llama model = Llama::random(*device, small_config(), dtype, 5,
                                  {.first_device = first.get(), .first_layers = layers});
      ASSERT_EQ(model.stages().size(), 2u);
      EXPECT_EQ(model.stages()[1].first, layers);
      EXPECT_EQ(answers_of(model), want) << dtype_name(dtype) << ", " << layers << " layers";
    }
  }
}

// f32 sums on one side; the reference computes in double.
TEST(Stages, OfTwoKindsAgree) {
  const auto cpu = Device::cpu(2), reference = Device::reference();
  Llama whole = Llama::random(*reference, small_config(), DType::kF32, 5);
  const std::vector<double> want = answers_of(whole);
  for (int64_t layers = 0; layers < kLayers; ++layers)
    for (const auto& [first, last] : {std::pair{cpu.get(), reference.get()}, {reference.get(), cpu.get()}}) {
      Llama model = Llama::random(*last, small_config(), DType::kF32, 5,
                                  {.first_device = first, .first_layers = layers});
      expect_close(answers_of(model), want, 2e-5);
    }
}

TEST(Stages, OfAFolderWithATiedHead) {
  const ScratchFolder folder;
  LlamaConfig config = small_config();
  config.has_tied_head = true;
  const auto device = Device::cpu(1), first = Device::cpu(1);
  const Llama made = Llama::random(*device, config, DType::kBF16, 11);
  save_checkpoint(folder.path(), config, named_tensors(made), {});
  for (const auto& dtype : {std::optional<DType>(), std::optional(DType::kI8), std::optional(DType::kI4)}) {
    Llama whole = Llama::load(*device, folder.path(), {.weights = dtype});
    Llama model = Llama::load(*device, folder.path(),
                              {.weights = dtype, .first_device = first.get(), .first_layers = 2});
    EXPECT_EQ(answers_of(model), answers_of(whole));
  }
}

TEST(Stages, EachHasTheCacheOfItsLayers) {
  const auto device = Device::cpu(1), first = Device::reference();
  const Llama model = Llama::random(*device, small_config(), DType::kF32, 5,
                                    {.first_device = first.get(), .first_layers = 2});
  const KvCacheOptions options{.max_positions = 100};
  // Pages of 64 positions; keys and values of f64 in two layers, of f32 in one.
  const size_t positions = 128,
               width = static_cast<size_t>(small_config().num_kv_heads * small_config().head_dim);
  EXPECT_EQ(model.cache_bytes_on_device(options), 2 * positions * width * 4);
  EXPECT_EQ(model.cache_bytes(options), 2 * positions * width * (2 * 8 + 4));
}

}  // namespace
}  // namespace poro
