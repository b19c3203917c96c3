// What `poro train` says of recipes and data that are wrong: one sentence, exit code 2.
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "model/safetensors.h"
#include "tests/apps/run_poro.h"
#include "tests/tiny_chat_model.h"

namespace poro {
namespace {

namespace fs = std::filesystem;

class TrainInput : public ::testing::Test {
 protected:
  TrainInput() {
    std::ofstream(folder_ / "rows.jsonl")
        << R"({"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]})"
        << "\n";
    std::ofstream(folder_ / "pairs.jsonl") << R"({"prompt": "a", "chosen": "b", "rejected": "c"})"
                                           << "\n";
    std::ofstream(folder_ / "recipe.toml")
        << "stage = \"sft\"\n[model]\ninit = \"" << model_.path() << "\"\n[data]\nsources = [{ path = \""
        << (folder_ / "rows.jsonl").string() << "\" }]\nsequence_length = 96\ncache = \""
        << (folder_ / "cache").string() << "\"\n[train]\nglobal_batch = 2\nsteps = 2\n[output]\ndir = \""
        << (folder_ / "run").string() << "\"\n";
  }

  PoroOutcome train(const std::vector<std::string>& settings, const std::vector<std::string>& flags = {}) {
    std::vector<std::string> arguments = {"train", folder_ / "recipe.toml", "--threads", "1"};
    for (const std::string& setting : settings) arguments.insert(arguments.end(), {"--set", setting});
    arguments.insert(arguments.end(), flags.begin(), flags.end());
    return run_poro(arguments);
  }
  void expect_complaint(const std::vector<std::string>& settings, const std::string& expected) {
    const PoroOutcome outcome = train(settings);
    EXPECT_EQ(outcome.exit_code, 2) << expected;
    EXPECT_NE(outcome.err.find(expected), std::string::npos)
        << "wanted: " << expected << "\ngot: " << outcome.err;
  }
  std::string source(const std::string& name) const {
    return "data.sources=[{path=\"" + (folder_ / name).string() + "\"}]";
  }

  TinyChatModel model_;
  ScratchFolder folder_;
};

TEST_F(TrainInput, IsFineAsItStands) {
  const PoroOutcome outcome = train({});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_TRUE(fs::exists(folder_ / "run/final/tokenizer.json"));
  EXPECT_TRUE(fs::exists(folder_ / "run/recipe.toml"));
}

TEST_F(TrainInput, ReadsTheRecipeItWrote) {
  ASSERT_EQ(train({}).exit_code, 0);
  const PoroOutcome outcome =
      run_poro({"train", folder_ / "run/recipe.toml", "--set", "output.dir=" + (folder_ / "again").string()});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(read_file(folder_ / "run/final/model.safetensors"),
            read_file(folder_ / "again/final/model.safetensors"));
}

TEST_F(TrainInput, OfRecipesThatAreWrong) {
  expect_complaint({"optimizer.learning_rte=1"},
                   "optimizer.learning_rte is no setting; did you mean \"learning_rate\"?");
  expect_complaint({"optimiser.eps=1"}, "optimiser is no setting; did you mean \"optimizer\"?");
  expect_complaint({"train.micro_batch=\"x\""}, "train.micro_batch is \"x\", not a whole number");
  expect_complaint({"data.packing=bestfit"}, "none of none, concat, best-fit; did you mean \"best-fit\"?");
  expect_complaint({"train.micro_batch=3"}, "train.global_batch = 2 is no multiple of train.micro_batch = 3");
  expect_complaint({"parallel.tensor=2"}, "1 ranks cannot be grouped by parallel.tensor = 2");
  expect_complaint({"data.sources=[]"}, "data.sources is empty");
  expect_complaint({"data.sources=[{path=\"a\",weight=1.0},{path=\"b\"}]"}, "give every source one, or none");
  expect_complaint({"optimizer.betas=[0.9,1.0]"}, "optimizer.betas");
  expect_complaint({"dpo.loss=hinge", "dpo.label_smoothing=0.1"},
                   "dpo.label_smoothing is for the losses sigmoid and robust");
  expect_complaint({"model.init=Some/Model"}, "no model \"Some/Model\"");
  expect_complaint({"stage=rlhf"}, "stage is \"rlhf\", which is none of cpt, sft, dpo");
  const PoroOutcome missing = run_poro({"train", folder_ / "absent.toml"});
  EXPECT_EQ(missing.exit_code, 2);
  EXPECT_NE(missing.err.find("cannot open"), std::string::npos);
}

TEST_F(TrainInput, OfDataThatIsWrong) {
  const auto write = [&](const char* name, const std::string& text) {
    std::ofstream(folder_ / name) << text;
  };
  expect_complaint({source("absent.jsonl")}, "there is no file");
  write("empty.jsonl", "");
  expect_complaint({source("empty.jsonl")}, "is empty");
  expect_complaint({source("pairs.jsonl")}, "which is for stage = \"dpo\"");
  expect_complaint({"stage=dpo"}, "needs preferences");
  write("long.jsonl", R"({"input_ids": [1, 2], "labels": [1, 2, 3]})"
                      "\n");
  expect_complaint({source("long.jsonl")}, "long.jsonl, line 1: 3 labels for 2 input_ids");
  write("uncounted.jsonl", R"({"input_ids": [1, 2], "labels": [-100, -100]})"
                           "\n");
  expect_complaint({source("uncounted.jsonl")}, "no row with a token that the loss counts");
  write("vocabulary.jsonl", R"({"input_ids": [1, 9999]})"
                            "\n");
  expect_complaint({source("vocabulary.jsonl")}, "the vocabulary has 264 tokens");
  std::ofstream(fs::path(model_.path()) / "chat_template.jinja") << "{# nothing #}";
  expect_complaint({}, "renders nothing");
}

TEST_F(TrainInput, OfWeightsThatAreNoNumbers) {
  const fs::path path = fs::path(model_.path()) / "model.safetensors";
  std::string bytes = read_file(path);
  bytes[bytes.size() - 2] = '\xc0';
  bytes[bytes.size() - 1] = '\x7f';  // The last element of the last tensor, in bf16.
  write_file_atomic(path, bytes);
  expect_complaint({}, "holds nan");
}

TEST_F(TrainInput, ThatDivergesStopsAfterThreeSkippedStepsWithTheWeightsKept) {
  // A rate at which the weights leave the range of floats at once.
  const PoroOutcome outcome = train(
      {"optimizer.learning_rate=1e38", "train.steps=10", "optimizer.clip_norm=0", "train.precision=f32"});
  EXPECT_EQ(outcome.exit_code, 1) << outcome.err;
  EXPECT_NE(outcome.err.find("3 gradients in a row were not finite"), std::string::npos) << outcome.err;
}

TEST_F(TrainInput, IsPlannedByADryRunThatTrainsNothing) {
  const PoroOutcome outcome = train({}, {"--dry-run"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  for (const char* word : {"2 steps of 2 sequences", "weights", "moments", "activations", "together",
                           "floating-point operations"})
    EXPECT_NE(outcome.out.find(word), std::string::npos) << word << "\n" << outcome.out;
  EXPECT_FALSE(fs::exists(folder_ / "run"));
}

TEST_F(TrainInput, MakesASmallModelFromNothing) {
  const PoroOutcome outcome =
      train({"model.init=shape:tiny", "model.tokenizer=" + model_.path(), "stage=cpt", source("text.jsonl")});
  EXPECT_EQ(outcome.exit_code, 2);  // There is no such file yet.
  std::ofstream(folder_ / "text.jsonl") << R"({"text": "some words"})"
                                        << "\n";
  const PoroOutcome again =
      train({"model.init=shape:tiny", "model.tokenizer=" + model_.path(), "stage=cpt", source("text.jsonl")});
  EXPECT_EQ(again.exit_code, 0) << again.err;
}

TEST_F(TrainInput, TrainsWithEveryPreferenceLoss) {
  for (const char* loss : {"sigmoid", "ipo", "hinge", "robust", "simpo", "orpo", "kto"}) {
    const PoroOutcome outcome = train({"stage=dpo", source("pairs.jsonl"), std::string("dpo.loss=") + loss,
                                       "output.dir=" + (folder_ / loss).string()});
    EXPECT_EQ(outcome.exit_code, 0) << loss << outcome.err;
  }
}

}  // namespace
}  // namespace poro
