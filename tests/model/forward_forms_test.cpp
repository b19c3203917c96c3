// The forms of the forward pass agree: packed rows, prefill in chunks of any size, decode one by one, several
// sequences.
#include <gtest/gtest.h>

#include <cmath>

#include "model/llama.h"

namespace poro {
namespace {

LlamaConfig small_config() {
  LlamaConfig config = LlamaConfig::named_shape("tiny");
  config.num_layers = 2;
  return config;
}

std::vector<int32_t> some_ids(int64_t count, int64_t vocab, int64_t salt) {
  std::vector<int32_t> ids;
  for (int64_t i = 0; i < count; ++i)
    ids.push_back(static_cast<int32_t>((i * 7919 + salt * 104729 + i * i) % vocab));
  return ids;
}

std::vector<double> values_of(const Tensor& tensor) {
  std::vector<double> values;
  for (int64_t i = 0; i < tensor.elements(); ++i) values.push_back(load_element(tensor, i));
  return values;
}

// Logits of every position, fed to the cache in chunks.
std::vector<double> chunked(Llama& model, std::span<const int32_t> ids, size_t chunk) {
  KvCache cache = model.make_cache(1, static_cast<int64_t>(ids.size()));
  std::vector<double> all;
  for (size_t first = 0; first < ids.size(); first += chunk) {
    const SequenceTokens tokens{.sequence = 0,
                                .ids = ids.subspan(first, std::min(chunk, ids.size() - first))};
    const std::vector<double> part = values_of(model.logits(model.forward({&tokens, 1}, cache)));
    all.insert(all.end(), part.begin(), part.end());
  }
  return all;
}

void expect_close(const std::vector<double>& got, const std::vector<double>& want, double tolerance) {
  ASSERT_EQ(got.size(), want.size());
  for (size_t i = 0; i < want.size(); ++i) ASSERT_NEAR(got[i], want[i], tolerance) << "at " << i;
}

void check_forms(Device& device, DType weights, double tolerance) {
  Llama model = Llama::random(device, small_config(), weights, 1);
  const std::vector<int32_t> ids = some_ids(75, model.config().vocab_size, 1);
  const std::vector<double> packed =
      values_of(model.logits(model.forward_packed(ids, std::vector<int32_t>(ids.size(), 0))));
  for (const size_t chunk : {1, 2, 16, 33, 64, 75}) {
    SCOPED_TRACE(chunk);
    expect_close(chunked(model, ids, chunk), packed, tolerance);
  }
}

TEST(ForwardForms, AgreeOnReference) {
  check_forms(*Device::reference(), DType::kF32, 1e-12);
}
TEST(ForwardForms, AgreeOnCpu) {
  check_forms(*Device::cpu(2), DType::kF32, 2e-5);
}
// The cache holds bf16 keys and values where the packed form keeps f32: 8 bits of mantissa on numbers around
// one.
TEST(ForwardForms, AgreeOnCpuInBf16) {
  check_forms(*Device::cpu(2), DType::kBF16, 2e-2);
}

TEST(ForwardForms, PackedDocumentsDoNotSeeEachOther) {
  const auto device = Device::cpu(2);
  Llama model = Llama::random(*device, small_config(), DType::kF32, 2);
  const std::vector<int32_t> a = some_ids(20, model.config().vocab_size, 3),
                             b = some_ids(31, model.config().vocab_size, 4);
  std::vector<int32_t> both = a, starts(a.size(), 0);
  both.insert(both.end(), b.begin(), b.end());
  starts.resize(both.size(), static_cast<int32_t>(a.size()));
  std::vector<double> want = values_of(model.forward_packed(a, std::vector<int32_t>(a.size(), 0)));
  const std::vector<double> second = values_of(model.forward_packed(b, std::vector<int32_t>(b.size(), 0)));
  want.insert(want.end(), second.begin(), second.end());
  expect_close(values_of(model.forward_packed(both, starts)), want, 2e-5);
}

TEST(ForwardForms, SequencesInOneBatchDoNotSeeEachOther) {
  const auto device = Device::cpu(2);
  Llama model = Llama::random(*device, small_config(), DType::kF32, 2);
  const std::vector<int32_t> a = some_ids(70, model.config().vocab_size, 3),
                             b = some_ids(9, model.config().vocab_size, 4);
  KvCache cache = model.make_cache(2, 128);
  const SequenceTokens prompts[] = {{.sequence = 1, .ids = b}, {.sequence = 0, .ids = a}};
  const std::vector<double> got = values_of(model.forward(prompts, cache));
  std::vector<double> want = values_of(model.forward_packed(b, std::vector<int32_t>(b.size(), 0)));
  const std::vector<double> second = values_of(model.forward_packed(a, std::vector<int32_t>(a.size(), 0)));
  want.insert(want.end(), second.begin(), second.end());
  expect_close(got, want, 2e-5);
}

TEST(ForwardForms, ThreadsDoNotChangeABit) {
  std::vector<double> first;
  for (const int threads : {1, 2, 3, 5}) {
    const auto device = Device::cpu(threads);
    Llama model = Llama::random(*device, small_config(), DType::kBF16, 3);
    const std::vector<double> got = chunked(model, some_ids(40, model.config().vocab_size, 5), 33);
    if (first.empty()) first = got;
    EXPECT_EQ(got, first) << threads << " threads";
  }
}

}  // namespace
}  // namespace poro
