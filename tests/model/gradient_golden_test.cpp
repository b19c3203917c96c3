// Every gradient of a masked loss against PyTorch in float64.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "base/cuda_devices.h"
#include "base/file.h"
#include "model/llama.h"
#include "model/safetensors.h"

namespace poro {
namespace {

// The goldens carry transformers' float32 norms (forward_golden_test.cpp), which leave up to some 1e-7.
constexpr double kReferenceTolerance = 1e-6;
constexpr double kCpuTolerance = 1e-5;

void check_gradients(Device& device, double tolerance) {
  const char* goldens = std::getenv("PORO_GOLDENS");
  if (goldens == nullptr) GTEST_SKIP() << "set PORO_GOLDENS to the folder with sft_gradients.json";
  const std::filesystem::path folder = goldens;
  const nlohmann::json golden = nlohmann::json::parse(read_file(folder / "sft_gradients.json"));
  Llama model = Llama::load(device, folder / "models" / golden.at("model").get<std::string>(), {});
  LlamaGradients gradients(device, model.config(), device.activation_dtype());

  double num_targets = 0, loss = 0;
  for (const std::vector<int32_t> labels : golden.at("labels"))
    for (size_t t = 1; t < labels.size(); ++t) num_targets += labels[t] >= 0 ? 1 : 0;
  for (size_t row = 0; row < golden.at("input_ids").size(); ++row) {
    const std::vector<int32_t> ids = golden.at("input_ids")[row], labels = golden.at("labels")[row];
    std::vector<int32_t> targets(ids.size());
    std::vector<double> coefficients(ids.size());
    for (size_t t = 0; t + 1 < ids.size(); ++t) {
      if (labels[t + 1] < 0) continue;
      targets[t] = labels[t + 1];
      coefficients[t] = 1 / num_targets;
    }
    model.forward_training(ids, std::vector<int32_t>(ids.size(), 0));
    const std::vector<double> logp = model.training_log_probs(targets);
    for (size_t t = 0; t < ids.size(); ++t) loss -= coefficients[t] * logp[t];
    model.backward(targets, coefficients, gradients);
  }
  EXPECT_NEAR(loss, golden.at("loss").get<double>(), tolerance);

  SafetensorsFile want(folder / "sft_gradients_tiny-a.safetensors");
  const std::vector<WeightSpec> table = weight_table(model.config());
  double squares = 0;
  Arena host("gradients on the host");
  for (size_t i = 0; i < table.size(); ++i) {
    const Tensor expected = want.tensor(table[i].name);
    const Tensor got = host.tensor(gradients.tensors[i].dtype, gradients.tensors[i].shape);
    device.copy(gradients.tensors[i], got);
    double difference = 0, length = 0;
    for (int64_t at = 0; at < got.elements(); ++at) {
      difference += std::pow(load_element(got, at) - load_element(expected, at), 2);
      length += std::pow(load_element(expected, at), 2);
      squares += std::pow(load_element(got, at), 2);
    }
    EXPECT_LE(std::sqrt(difference), tolerance * std::sqrt(length)) << table[i].name;
  }
  EXPECT_NEAR(std::sqrt(squares), golden.at("grad_norm").get<double>(), tolerance);
}

TEST(GradientGoldens, Reference) {
  check_gradients(*Device::reference(), kReferenceTolerance);
}
TEST(GradientGoldens, Cuda) {
  if (cuda_report().devices.empty()) GTEST_SKIP() << "no NVIDIA GPU on this machine";
  check_gradients(*Device::cuda(0, DType::kF32), kCpuTolerance);
}
TEST(GradientGoldens, Cpu) {
  check_gradients(*Device::cpu(2), kCpuTolerance);
}

}  // namespace
}  // namespace poro
