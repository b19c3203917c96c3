// A cache in fewer bits: what the model says changes, and little.
#include <gtest/gtest.h>

#include <cmath>

#include "base/cuda_devices.h"
#include "tests/model/cuda/some_log_probs.h"

namespace poro {
namespace {

std::vector<double> log_probs_with(DType cache_dtype) {
  const auto device = Device::cuda(0);
  LlamaConfig config = LlamaConfig::named_shape("tiny");
  config.vocab_size = 256;
  Llama model = Llama::random(*device, config, DType::kBF16, 5, {.cache = cache_dtype});
  KvCache cache = model.make_cache(1, 128);
  EXPECT_EQ(cache.keys(0).dtype, cache_dtype);
  return log_probs_of_some_ids(model, cache);
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
