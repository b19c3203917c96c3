// The model that ships, as `poro generate` finds it without --model: it answers in the language it is asked
// in, stops by itself, and says in f32 on the CPU what it says in the reference backend.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/apps/run_poro.h"

namespace poro {
namespace {

nlohmann::json greedy(const std::string& question, const std::vector<std::string>& options) {
  const nlohmann::json line = {{"messages", {{{"role", "user"}, {"content", question}}}}, {"temperature", 0}};
  std::vector<std::string> all = {"generate", "--jsonl"};
  all.insert(all.end(), options.begin(), options.end());
  const PoroOutcome outcome = ask_poro(all, line.dump() + "\n");
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  return nlohmann::json::parse(outcome.out);
}

TEST(ShippedModel, AnswersInBothLanguagesAlikeOnEveryBackend) {
  for (const auto& [question, expected] :
       {std::pair("Mikä on Suomen pääkaupunki?", "Helsinki"), std::pair("What is 12 - 5?", "7")}) {
    const nlohmann::json answer = greedy(question, {"--device", "cpu", "--dtype", "f32"});
    EXPECT_NE(answer["text"].get<std::string>().find(expected), std::string::npos) << answer;
    EXPECT_EQ(answer["finish_reason"], "stop");
    EXPECT_EQ(answer["ids"], greedy(question, {"--device", "reference"})["ids"]);
  }
}

}  // namespace
}  // namespace poro
