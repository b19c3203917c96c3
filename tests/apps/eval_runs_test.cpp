// All four benchmarks in both languages as their user runs them: a small model answers, another judges, and
// one report comes of it. Killed in every phase and started again, the outcome is the same to the last byte.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <map>
#include <thread>

#include "base/file.h"
#include "tests/eval/eval_data.h"
#include "tests/eval/test_server.h"
#include "tests/tiny_chat_model.h"

namespace poro {
namespace {

using Seconds = std::chrono::duration<double>;

struct Command {
  std::string name;
  std::vector<std::string> arguments;
};

// Starts the program with its output in `log`.
pid_t start(const std::vector<std::string>& arguments, const std::string& log) {
  const pid_t child = ::fork();
  if (child != 0) return child;
  const int out = ::open(log.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
  ::dup2(out, STDOUT_FILENO);
  ::dup2(out, STDERR_FILENO);
  std::vector<char*> pointers = {const_cast<char*>(PORO_BINARY)};
  for (const std::string& argument : arguments) pointers.push_back(const_cast<char*>(argument.c_str()));
  pointers.push_back(nullptr);
  ::execv(PORO_BINARY, pointers.data());
  ::_exit(127);
}

class Evaluation {
 public:
  Evaluation() {
    const auto line = [](const nlohmann::ordered_json& json) { return json.dump() + "\n"; };
    std::string prompts, questions, judge_prompts;
    for (int i = 0; i < 4; ++i) {
      prompts += line({{"key", i},
                       {"prompt", "Prompt " + std::to_string(i)},
                       {"instruction_id_list", {"punctuation:no_comma", "language:response_language"}},
                       {"kwargs", {nlohmann::json::object(), {{"language", "fi"}}}}});
      questions += line({{"question_id", i},
                         {"category", i % 2 == 0 ? "math" : "writing"},
                         {"turns", {"Question " + std::to_string(i), "And then?"}}});
    }
    for (const char* name : {"single-v1", "single-math-v1", "pair-v2", "pair-math-v1"})
      for (const char* ending : {"", "-multi-turn"})
        judge_prompts += line(
            {{"name", std::string(name) + ending},
             {"system_prompt", "Judge."},
             {"prompt_template", "{question} {question_2} {answer} {answer_2} {answer_a} {ref_answer_1}"}});
    std::string answers, outputs = "[", separator;
    for (int i = 0; i < 4; ++i) {
      answers += line(
          {{"question_id", i},
           {"model_id", "baseline"},
           {"choices",
            {{{"index", 0}, {"turns", {"Tämä on suomenkielinen vastaus.", "Tässä on toinen vastaus."}}}}}});
    }
    for (int i = 0; i < 6; ++i) {
      outputs += separator + nlohmann::json{{"instruction", "Instruction " + std::to_string(i)},
                                            {"output", "The baseline's answer."},
                                            {"generator", "baseline"}}
                                 .dump();
      separator = ",";
    }
    prompts_ = data_.write("prompts.jsonl", prompts);
    questions_ = data_.write("questions.jsonl", questions);
    judge_prompts_ = data_.write("judge_prompts.jsonl", judge_prompts);
    answers_ = data_.write("answers.jsonl", answers);
    outputs_ = data_.write("outputs.json", outputs + "]");
    judge_prompt_ =
        data_.write("judge.txt", "<|im_start|>user\n{instruction} {output_1} {output_2}\n<|im_end|>");
    difficulty_ =
        data_.write("difficulty.csv", "index,instruction_difficulty\n0,0\n1,1\n2,-1\n3,0.5\n4,0\n5,2\n");
  }

  // Every benchmark in both languages into `root`, then the report.
  std::vector<Command> commands(const std::filesystem::path& root) const {
    std::vector<Command> commands;
    std::vector<std::string> report = {"eval", "report", "--html", root / "report.html"};
    for (const std::string language : {"en", "fi"}) {
      const std::string& model = language == "en" ? english_.path() : finnish_.path();
      const auto add = [&](const std::string& task, const std::vector<std::string>& more) {
        const std::string folder = root / (task + "-" + language);
        std::vector<std::string> arguments = {"eval", task,    "--lang", language,    "--model",
                                              model,  "--out", folder,   "--threads", "1"};
        arguments.insert(arguments.end(), more.begin(), more.end());
        commands.push_back({task + "-" + language, arguments});
        report.push_back(folder);
      };
      add("ifeval", {"--data", prompts_});
      const std::vector<std::string> judged = {"--data",       questions_,        "--judge",
                                               judge_.path(),  "--judge-prompts", judge_prompts_,
                                               "--references", answers_};
      add("mtbench", judged);
      std::vector<std::string> paired = judged;
      paired.insert(paired.end(), {"--baseline", answers_});
      add("pairwise", paired);
      add("alpaca", {"--reference", outputs_, "--judge", judge_.path(), "--difficulty", difficulty_,
                     "--judge-prompt", judge_prompt_});
    }
    commands.push_back({"report", report});
    return commands;
  }

 private:
  TemporaryFolder data_;
  std::string prompts_, questions_, judge_prompts_, answers_, outputs_, judge_prompt_, difficulty_;
  TinyChatModel english_{{.context = 2048}};
  TinyChatModel finnish_{{.context = 2048, .answer = "Hyvää huomenta! Mitä sinulle kuuluu tänään?"}};
  TinyChatModel judge_{{.context = 2048, .answer = "A good answer. Rating: [[7]] [[A]]"}};
};

// Everything that may not depend on how often the run was stopped. The order of a journal may, and a report
// killed while it is written leaves the half of it under another name.
std::map<std::string, std::string> results(const std::filesystem::path& root) {
  std::map<std::string, std::string> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(root))
    if (entry.is_regular_file() && entry.path().extension() != ".log" &&
        entry.path().filename() != "journal.jsonl" &&
        !entry.path().filename().string().starts_with("report.html."))
      files[std::filesystem::relative(entry.path(), root)] = read_file(entry.path());
  return files;
}

TEST(EvalRuns, KilledTwentyTimesTheyEndInTheSameReport) {
  SKIP_WITHOUT_EVAL_DATA();
  const Evaluation evaluation;
  const TemporaryFolder whole, killed;
  std::map<std::string, Seconds> durations;
  for (const Command& command : evaluation.commands(whole.path())) {
    const auto begin = std::chrono::steady_clock::now();
    int status = 0;
    const std::string log = whole.path() / (command.name + ".log");
    ::waitpid(start(command.arguments, log), &status, 0);
    ASSERT_EQ(status, 0) << command.name << "\n" << read_file(log);
    durations[command.name] = std::chrono::steady_clock::now() - begin;
  }
  size_t num_killed = 0;
  for (const Command& command : evaluation.commands(killed.path())) {
    const std::string log = killed.path() / (command.name + ".log");
    for (const double share : {0.05, 0.1, 0.2, 0.3, 0.45, 0.65}) {
      const pid_t child = start(command.arguments, log);
      std::this_thread::sleep_for(durations[command.name] * share);
      ::kill(child, SIGKILL);
      int status = 0;
      ::waitpid(child, &status, 0);
      num_killed += WIFSIGNALED(status);
    }
    int status = 0;
    ::waitpid(start(command.arguments, log), &status, 0);
    ASSERT_EQ(status, 0) << command.name << "\n" << read_file(log);
  }
  RecordProperty("killed", static_cast<int>(num_killed));
  EXPECT_GE(num_killed, 20u);
  const auto expected = results(whole.path()), found = results(killed.path());
  ASSERT_EQ(expected.size(), found.size());
  for (const auto& [name, content] : expected) EXPECT_EQ(content, found.at(name)) << name;
  for (const char* part : {"IFEval", "MT-Bench", "AlpacaEval 2", "Pairwise", "Finnish", "English", "Average"})
    EXPECT_NE(expected.at("report.html").find(part), std::string::npos) << part;
}

// What a command said and how it ended.
struct Outcome {
  int exit_code;
  std::string text;
};
Outcome run(const std::vector<std::string>& arguments, const TemporaryFolder& folder) {
  const std::string log = folder.path() / "log";
  int status = 0;
  ::waitpid(start(arguments, log), &status, 0);
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, read_file(log)};
}

TEST(EvalRuns, AServerJudgesWithAKeyThatIsWrittenNowhere) {
  TestServer server(
      [](const auto&) { return TestServer::Response{.body = TestServer::completion("Rating: [[8]]")}; });
  const Evaluation evaluation;
  const TemporaryFolder folder;
  ::setenv("PORO_TEST_JUDGE_KEY", "a-secret-key", 1);
  std::vector<std::string> arguments;
  for (const Command& command : evaluation.commands(folder.path()))
    if (command.name == "mtbench-fi") arguments = command.arguments;
  for (size_t i = 0; i + 1 < arguments.size(); ++i)
    if (arguments[i] == "--judge")
      arguments[i + 1] = server.url();
    else if (arguments[i] == "--lang")
      arguments[i + 1] = "en";  // No language is checked, so no identifier is needed.
  arguments.insert(arguments.end(), {"--judge-name", "judge-1", "--judge-key-env", "PORO_TEST_JUDGE_KEY",
                                     "--cache", folder.path() / "replies.sqlite"});
  const Outcome outcome = run(arguments, folder);
  ASSERT_EQ(outcome.exit_code, 0) << outcome.text;
  EXPECT_NE(outcome.text.find("\"score\": 8.0"), std::string::npos) << outcome.text;
  EXPECT_EQ(server.seen().size(), 8u);
  EXPECT_NE(server.seen()[0].headers.find("Bearer a-secret-key"), std::string::npos);
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder.path())) {
    if (!entry.is_regular_file()) continue;
    EXPECT_EQ(read_file(entry.path()).find("a-secret-key"), std::string::npos) << entry.path();
  }
  EXPECT_EQ(run(arguments, folder).exit_code, 0);
  EXPECT_EQ(server.seen().size(), 8u);  // Nothing is asked twice.
}

TEST(EvalRuns, ARejectedKeyIsOneSentenceAndExitCode2) {
  TestServer server([](const auto&) { return TestServer::Response{.status = 401, .body = "{}"}; });
  const Evaluation evaluation;
  const TemporaryFolder folder;
  std::vector<std::string> arguments;
  for (const Command& command : evaluation.commands(folder.path()))
    if (command.name == "alpaca-en") arguments = command.arguments;
  for (size_t i = 0; i + 1 < arguments.size(); ++i)
    if (arguments[i] == "--judge") arguments[i + 1] = server.url();
  arguments.insert(arguments.end(), {"--judge-name", "j", "--cache", folder.path() / "c.sqlite"});
  const Outcome outcome = run(arguments, folder);
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_NE(outcome.text.find("it does not accept the key"), std::string::npos) << outcome.text;
}

TEST(EvalRuns, AnotherModelDoesNotContinueARun) {
  SKIP_WITHOUT_EVAL_DATA();
  const Evaluation evaluation;
  const TemporaryFolder folder;
  std::vector<Command> commands = evaluation.commands(folder.path());
  ASSERT_EQ(run(commands[0].arguments, folder).exit_code, 0);
  std::vector<std::string> arguments = commands[0].arguments;
  arguments[5] = commands[4].arguments[5];  // The Finnish model's folder.
  const Outcome outcome = run(arguments, folder);
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_NE(outcome.text.find("holds another run: model/"), std::string::npos) << outcome.text;
}

TEST(EvalRuns, ACardHoldsTheModelAndItsRuns) {
  const Evaluation evaluation;
  const TemporaryFolder folder;
  const Command ifeval = evaluation.commands(folder.path())[0];
  if (has_eval_data()) {
    ASSERT_EQ(run(ifeval.arguments, folder).exit_code, 0);
  }
  std::vector<std::string> arguments = {"card",     "--model", ifeval.arguments[5], "--licence",
                                        "llama3.3", "--base",  "org/base"};
  if (has_eval_data()) arguments.insert(arguments.end(), {"--runs", folder.path() / "ifeval-en"});
  const Outcome card = run(arguments, folder);
  EXPECT_EQ(card.exit_code, 0);
  for (const char* part : {"license: llama3.3", "Built with Llama", "| vocabulary | 264 |", "- org/base"})
    EXPECT_NE(card.text.find(part), std::string::npos) << card.text;
  if (has_eval_data()) {
    EXPECT_NE(card.text.find("| IFEval |"), std::string::npos) << card.text;
  }
}

}  // namespace
}  // namespace poro
