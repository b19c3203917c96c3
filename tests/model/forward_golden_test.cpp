// The model against transformers: logits, log-probabilities and greedy text of tiny random models in float64.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "base/cuda_devices.h"
#include "base/file.h"
#include "model/llama.h"
#include "tests/model/golden_model.h"

namespace poro {
namespace {

// Relative to the length of the vector. The goldens are float64 but for transformers' RMSNorm, which computes
// in float32 whatever the model's type: that leaves 5e-8 to 1e-7 between them and arithmetic in double
// (tools/golden_forward.py measures it, and makes goldens without it).
constexpr double kReferenceTolerance = 2e-7;
constexpr double kCpuTolerance = 1e-5;

const char* goldens_folder() {
  return std::getenv("PORO_GOLDENS");
}

nlohmann::json goldens() {
  return nlohmann::json::parse(read_file(std::filesystem::path(goldens_folder()) / "forward.json"));
}

void expect_close(const std::vector<double>& got, const std::vector<double>& want, double tolerance) {
  ASSERT_EQ(got.size(), want.size());
  double difference = 0, length = 0;
  for (size_t i = 0; i < want.size(); ++i) {
    difference += (got[i] - want[i]) * (got[i] - want[i]);
    length += want[i] * want[i];
  }
  EXPECT_LE(std::sqrt(difference), tolerance * std::sqrt(length));
}

std::vector<double> row(const Tensor& tensor, int64_t t, int64_t count) {
  std::vector<double> values;
  for (int64_t i = 0; i < count; ++i) values.push_back(load_element(tensor, t * tensor.dim(1) + i));
  return values;
}

void expect_greedy(Llama& model, const std::vector<int32_t>& prompt, const std::vector<int32_t>& want) {
  KvCache cache = model.make_cache(1, static_cast<int64_t>(prompt.size() + want.size()));
  std::vector<int32_t> input = prompt, got;
  while (got.size() < want.size()) {
    const SequenceTokens tokens{.sequence = 0, .ids = input};
    const Tensor hidden = model.forward({&tokens, 1}, cache);
    const Tensor logits = model.logits(hidden.rows(hidden.dim(0) - 1, 1));
    const std::vector<double> values = row(logits, 0, logits.dim(1));
    got.push_back(static_cast<int32_t>(std::max_element(values.begin(), values.end()) - values.begin()));
    input = {got.back()};
  }
  EXPECT_EQ(got, want);
}

void check_goldens(Device& device, double tolerance) {
  for (const nlohmann::json& golden : goldens()) {
    SCOPED_TRACE(golden.at("model").get<std::string>());
    const auto folder =
        std::filesystem::path(goldens_folder()) / "models" / golden.at("model").get<std::string>();
    Llama model = Llama::load(device, folder, {});
    const auto& inputs = golden.at("input_ids");
    for (size_t i = 0; i < inputs.size(); ++i) {
      const std::vector<int32_t> ids = inputs[i];
      const Tensor hidden = model.forward_packed(ids, std::vector<int32_t>(ids.size(), 0));
      const std::vector<int32_t> targets(ids.begin() + 1, ids.end());
      expect_close(model.log_probs(hidden.rows(0, hidden.dim(0) - 1), targets),
                   golden.at("token_logprobs")[i], tolerance);
      const Tensor logits = model.logits(hidden);
      const std::vector<double> last = golden.at("logits_last")[i];
      expect_close(row(logits, logits.dim(0) - 1, static_cast<int64_t>(last.size())), last, tolerance);
      expect_close(row(logits, 3, 16), golden.at("logits_first_16_of_position_3")[i], tolerance);
    }
    expect_greedy(model, golden.at("greedy_prompt"), golden.at("greedy_32"));
  }
}

// Our own golden: transformers with its norms, rotary embedding and softmax in float64
// (tools/golden_forward.py).
void check_own_golden(Device& device, double tolerance) {
  const nlohmann::json golden =
      nlohmann::json::parse(read_file(PORO_SOURCE_DIR "/tests/model/forward_golden.json"));
  Llama model = golden_model(device);
  const std::vector<int32_t> ids = golden.at("ids");
  const Tensor hidden = model.forward_packed(ids, std::vector<int32_t>(ids.size(), 0));
  const std::vector<int32_t> targets(ids.begin() + 1, ids.end());
  expect_close(model.log_probs(hidden.rows(0, hidden.dim(0) - 1), targets), golden.at("token_logprobs"),
               tolerance);
  const Tensor logits = model.logits(hidden.rows(hidden.dim(0) - 1, 1));
  expect_close(row(logits, 0, logits.dim(1)), golden.at("logits_last"), tolerance);
}

// Both sides compute in double from the same weights; only the order of sums differs.
TEST(ForwardGoldens, OwnOnReference) {
  check_own_golden(*Device::reference(), 1e-12);
}
// The weights are bf16; products of many rows round the activations to bf16 too, where the processor
// multiplies that.
TEST(ForwardGoldens, OwnOnCpu) {
  check_own_golden(*Device::cpu(2), 1e-2);
}

TEST(ForwardGoldens, Reference) {
  if (goldens_folder() == nullptr) GTEST_SKIP() << "set PORO_GOLDENS to the folder with forward.json";
  check_goldens(*Device::reference(), kReferenceTolerance);
}

TEST(ForwardGoldens, Cpu) {
  if (goldens_folder() == nullptr) GTEST_SKIP() << "set PORO_GOLDENS to the folder with forward.json";
  check_goldens(*Device::cpu(2), kCpuTolerance);
}

TEST(ForwardGoldens, Cuda) {
  if (goldens_folder() == nullptr) GTEST_SKIP() << "set PORO_GOLDENS to the folder with forward.json";
  if (cuda_report().devices.empty()) GTEST_SKIP() << "no NVIDIA GPU on this machine";
  check_goldens(*Device::cuda(0, DType::kF32), kCpuTolerance);
}
// As on the CPU: bf16 weights and, here everywhere, activations.
TEST(ForwardGoldens, OwnOnCuda) {
  if (cuda_report().devices.empty()) GTEST_SKIP() << "no NVIDIA GPU on this machine";
  check_own_golden(*Device::cuda(0), 3e-2);
}

}  // namespace
}  // namespace poro
