// What is said where a GPU is asked for and none will do.
#include <gtest/gtest.h>

#include "base/cuda_devices.h"
#include "tests/apps/run_poro.h"
#include "tests/tiny_chat_model.h"

namespace poro {
namespace {

using Words = std::vector<std::string>;

const Words kNoGpu = {"env", "CUDA_VISIBLE_DEVICES="};
const Words kOldDriver = {"env", "CUDA_VISIBLE_DEVICES=", "LD_LIBRARY_PATH=" PORO_OLD_DRIVER};

Words generate(const TinyChatModel& model, const Words& options) {
  Words words = {"generate", "--model", model.path(), "--prompt", "a", "--max-new-tokens", "2"};
  words.insert(words.end(), options.begin(), options.end());
  return words;
}

void expect_sentence(const PoroOutcome& outcome, const std::string& sentence) {
  EXPECT_EQ(outcome.exit_code, 2) << outcome.err;
  EXPECT_EQ(outcome.out, "");
  EXPECT_NE(outcome.err.find(sentence), std::string::npos) << outcome.err;
  EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
}

TEST(GpuFaults, NoGpu) {
  const TinyChatModel model;
  const char* sentence =
      cuda_report().runtime.empty() ? "this program was built without CUDA" : "no NVIDIA GPU was found";
  for (const char* device : {"cuda", "cuda:1"})
    expect_sentence(run_poro(generate(model, {"--device", device}), kNoGpu), sentence);
  EXPECT_EQ(run_poro(generate(model, {}), kNoGpu).exit_code, 0);  // The processor does.
}

TEST(GpuFaults, AnOldDriver) {
  if (cuda_report().runtime.empty()) GTEST_SKIP() << "built without CUDA";
  const TinyChatModel model;
  expect_sentence(run_poro(generate(model, {"--device", "cuda"}), kOldDriver),
                  "the NVIDIA driver serves CUDA 9.2, and this program needs " + cuda_report().runtime);
  const PoroOutcome outcome = run_poro(generate(model, {}), kOldDriver);
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_NE(outcome.err.find("the NVIDIA driver serves CUDA 9.2"), std::string::npos) << outcome.err;
  EXPECT_NE(run_poro({"--version"}, kOldDriver).out.find("driver for 9.2, which is too old"),
            std::string::npos);
}

TEST(GpuFaults, BlocksForAGpuThatIsNotThere) {
  const TinyChatModel model;
  expect_sentence(run_poro(generate(model, {"--device", "cpu", "--gpu-layers", "1"})),
                  "--gpu-layers 1 is for GPUs");
  expect_sentence(run_poro(generate(model, {"--gpu-layers", "0"})), "--gpu-layers 0 leaves the GPU nothing");
}

}  // namespace
}  // namespace poro
