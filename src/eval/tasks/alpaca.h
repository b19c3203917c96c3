// AlpacaEval 2: a judge compares a model's answers with a baseline's, and says by the log-probabilities of
// two identifiers how sure it is. Follows alpaca_eval (https://github.com/tatsu-lab/alpaca_eval); reads and
// writes its files. A preference is 1 where the baseline is better, 2 where the model is, anything between by
// the odds.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "eval/chat.h"

namespace poro::alpaca {

constexpr double kDraw = 1.5;  // The preference for neither.

struct Output {
  std::string instruction, output, generator, dataset;
};
struct Outputs {
  std::vector<Output> rows;
  size_t num_repeated = 0;  // Instructions that came again; the last one counts.
};
// alpaca_eval's outputs: a JSON array of {instruction, output, generator?, dataset?}. A file of prompts is
// one without "output". Throws Error.
Outputs read_outputs(const std::filesystem::path& path);
void write_outputs(const std::filesystem::path& path, const std::vector<Output>& outputs);

struct Annotation {
  size_t place = 0;  // Of the instruction among the baseline's, or of the row in its file.
  std::string dataset, instruction;
  std::string output_1, generator_1;  // The baseline's.
  std::string output_2, generator_2;  // The model's.
  std::string annotator;
  std::optional<double> preference;  // From 1 to 2. None: the judge gave none.
  nlohmann::json completion;         // What the judge answered, as it came.
};
struct Annotations {
  std::vector<Annotation> rows;
  size_t num_repeated = 0;  // Instructions that came again; the last one counts.
};
// alpaca_eval's annotations of one model. Throws Error for a file that is none. A preference that is null or
// out of range is none.
Annotations read_annotations(const std::filesystem::path& path);
void write_annotations(const std::filesystem::path& path, const std::vector<Annotation>& annotations);

// The pairs to judge, in the baseline's order, and what has no partner.
struct Pairs {
  std::vector<Annotation> rows;
  size_t num_missing = 0;  // Instructions of the baseline that the model did not answer.
  size_t num_unknown = 0;  // The other way round.
};
// Throws Error when no instruction is in both.
Pairs pair_up(const Outputs& baseline, const Outputs& model);

// Which answer the judge sees first. Seeded: as alpaca_eval's coin for the instruction falls.
enum class Order { kSeeded, kSwapped };
bool is_model_first(const std::string& instruction, Order order);

// The judge's messages from alpaca_eval's prompt file (<|im_start|>role ... <|im_end|>, with gaps for
// instruction, output_1 and output_2). Throws Error for a template without messages.
std::vector<Message> render(const std::string& prompt_template, const Annotation& pair, Order order);

// What follows from the log-probabilities of "m" and "M" as the first token, seen from the baseline's side
// whatever the order was. Nothing when neither is among them: a refusal, or nonsense.
std::optional<double> preference(const std::vector<ChatReply::TokenChance>& first_token,
                                 const Annotation& pair, Order order);

struct Scores {
  double win_rate, standard_error;  // In percent.
  size_t num_wins, num_losses, num_draws, num_total;
  double discrete_win_rate;
  double average_length;  // Of the model's answers, in characters.
  size_t num_without_preference;
};
// Throws Error when no annotation holds a preference.
Scores grade(const std::vector<Annotation>& annotations);

}  // namespace poro::alpaca
