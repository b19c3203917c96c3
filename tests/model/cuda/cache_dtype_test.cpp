// A cache in fewer bits: what the model says changes, and little.
#include <gtest/gtest.h>

#include <cmath>

#include "base/cuda_devices.h"
#include "tests/model/golden_model.h"

namespace poro {
namespace {

std::vector<double> log_probs_with(DType cache_dtype) {
  const auto device = Device::cuda(0);
  LlamaConfig config = LlamaConfig::named_shape("tiny");
  config.vocab_size = 256;
  Llama model = Llama::random(*device, config, DType::kBF16, 5, {.cache = cache_dtype});
  KvCache cache = model.make_cache(1, 128);
  EXPECT_EQ(cache.keys(0).dtype, cache_dtype);
  std::vector<int32_t> ids;
  for (int32_t i = 0; i < 100; ++i) ids.push_back(i * 37 % 256);
  std::vector<double> all;
  for (size_t done = 0; done + 1 < ids.size();) {  // A prompt, then token by token.
    const size_t count = done == 0 ? 60 : 1;
    const SequenceTokens tokens{.sequence = 0, .ids = std::span(ids).subspan(done, count)};
    const Tensor hidden = model.forward({&tokens, 1}, cache);
    const std::vector<double> part = model.log_probs(hidden, std::span(ids).subspan(done + 1, count));
    all.insert(all.end(), part.begin(), part.end());
    done += count;
  }
  return all;
}

TEST(CacheDtype, Fp8ChangesLittle) {
  if (cuda_report().devices.empty()) GTEST_SKIP() << "no NVIDIA GPU on this machine";
  const std::vector<double> want = log_probs_with(DType::kBF16), got = log_probs_with(DType::kF8);
  double squares = 0;
  for (size_t i = 0; i < want.size(); ++i) squares += (got[i] - want[i]) * (got[i] - want[i]);
  const double deviation = std::sqrt(squares / static_cast<double>(want.size()));
  EXPECT_GT(deviation, 1e-5);  // e4m3 has three bits of mantissa: values move by 3 % at most,
  EXPECT_LT(deviation, 2e-2);  // and attention is one summand of several of a log-probability.
}

}  // namespace
}  // namespace poro
