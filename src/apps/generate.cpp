// `poro generate`: continues a text on standard output, or answers requests line by line.
#include <algorithm>
#include <cstdio>
#include <deque>
#include <iostream>
#include <set>

#include "apps/commands.h"
#include "apps/jsonl.h"
#include "apps/model_options.h"
#include "apps/ranks.h"
#include "apps/sampling_options.h"
#include "apps/template_fields.h"
#include "apps/trace_file.h"
#include "base/error.h"
#include "base/log.h"
#include "infer/generator.h"

namespace poro {
namespace {

constexpr int64_t kDefaultNewTokens = 512;

struct GenerateOptions {
  ModelOptions model;
  SamplingFlags sampling;
  std::optional<std::string> prompt;
  std::optional<int64_t> max_new_tokens;
  std::vector<std::string> stop;
  bool is_jsonl = false;
  bool ignores_eos = false;
  std::string trace;
};

void add_stop_string(const OpenModel& model, const std::string& stop, GenerationRequest& request) {
  if (stop.empty()) fail("a stop string is empty; leave it out, or name some text");
  // Special tokens never appear in the text, so one of them as a stop string means the token.
  const auto id = model.text_tokenizer().token_id(stop);
  if (id && model.tokenizer->is_special(*id)) request.stop_ids.push_back(*id);
  request.stop_strings.push_back(stop);
}

void set_max_new_tokens(GenerationRequest& request, int64_t count) {
  if (count < 0) fail("max_new_tokens is {}, but must be 0 or more", count);
  request.max_new_tokens = count;
}

// What every request starts from, but for the model's own stop tokens.
GenerationRequest default_request(const OpenModel& model, const GenerateOptions& options) {
  GenerationRequest request{.sampling = sampling_defaults(model, options.sampling, options.model)};
  set_max_new_tokens(
      request, options.max_new_tokens.value_or(model.generation.max_new_tokens.value_or(kDefaultNewTokens)));
  for (const std::string& stop : options.stop) add_stop_string(model, stop, request);
  return request;
}

std::vector<int32_t> prompt_ids(const OpenModel& model, Fields& fields) {
  const auto ids = fields.ids("ids");
  const auto prompt = fields.text("prompt");
  const Json* messages = fields.find("messages");
  if ((ids ? 1 : 0) + (prompt ? 1 : 0) + (messages != nullptr ? 1 : 0) != 1)
    fail("a request needs exactly one of \"ids\", \"prompt\" and \"messages\"");
  if (ids) return *ids;
  if (prompt) return model.encode_with_bos(*prompt);
  const ChatTemplate& chat_template = model.conversation_template();
  TemplateInput input = read_template_input(fields, Messages::kRequired);
  input.add_generation_prompt = true;
  return model.tokenizer->encode(chat_template.render(input).text);
}

enum class EndOfText { kStops, kIsIgnored };

void add_end_of_text(const OpenModel& model, EndOfText end, GenerationRequest& request) {
  if (end == EndOfText::kStops)
    request.stop_ids.insert(request.stop_ids.end(), model.stop_ids.begin(), model.stop_ids.end());
}

struct RequestReader {
  const OpenModel& model;
  GenerationRequest defaults;
  EndOfText end_of_text;
  std::set<std::string> warned = {};  // Fields that were found meaningless; each is said once.

  GenerationRequest read(const Json& line);
};

GenerationRequest RequestReader::read(const Json& line) {
  GenerationRequest request = defaults;
  Fields fields(line);
  request.ids = prompt_ids(model, fields);
  read_sampling(fields, request.sampling);
  if (const auto count = fields.integer("max_new_tokens")) set_max_new_tokens(request, *count);
  EndOfText end = end_of_text;
  if (const auto is_ignored = fields.boolean("ignore_eos"))
    end = *is_ignored ? EndOfText::kIsIgnored : EndOfText::kStops;
  add_end_of_text(model, end, request);
  for (const int32_t id : fields.ids("stop_ids").value_or(std::vector<int32_t>{}))
    request.stop_ids.push_back(id);
  if (const Json* stop = fields.find("stop")) {
    const std::vector<Json> stops =
        stop->is_array() ? stop->get<std::vector<Json>>() : std::vector<Json>{*stop};
    for (const Json& text : stops) {
      if (!text.is_string()) fail("\"stop\" is neither a string nor an array of strings");
      add_stop_string(model, text.get<std::string>(), request);
    }
  }
  if (const auto count = fields.integer("logprobs")) {
    if (*count < 0 || *count > model.llama->config().vocab_size)
      fail("logprobs is {}, but must be the number of alternatives to show for each token, 0 or more",
           *count);
    request.num_alternatives = *count;
  }
  for (const std::string& name : fields.unknown())
    if (warned.insert(name).second)
      warn("the field \"{}\" means nothing to poro generate and is passed over", name);
  return request;
}

Json token_json(const OpenModel& model, const TokenLogProb& token) {
  Json json{{"id", token.id}, {"logprob", token.log_prob}};
  if (!model.tokenizer || token.id >= model.tokenizer->vocab_size()) return json;
  json["token"] = model.tokenizer->decode({&token.id, 1});
  Json bytes = Json::array();
  for (const char byte : model.tokenizer->token_bytes(token.id)) bytes.push_back(static_cast<uint8_t>(byte));
  json["bytes"] = bytes;
  return json;
}

Json answer_json(const OpenModel& model, const GenerationRequest& request, const Generation& generation) {
  Json answer{{"ids", generation.ids},
              {"text", model.tokenizer ? Json(generation.text) : Json(nullptr)},
              {"finish_reason", generation.finish_reason == FinishReason::kStop ? "stop" : "length"},
              {"usage",
               {{"prompt_tokens", generation.prompt_tokens},
                {"completion_tokens", generation.ids.size()},
                {"total_tokens", generation.prompt_tokens + std::ssize(generation.ids)}}}};
  if (generation.is_context_full)
    answer["note"] = fmt::format("the context of {} tokens is full", model.context);
  if (request.num_alternatives) {
    Json content = Json::array();
    for (const Generation::LogProbs& log_probs : generation.log_probs) {
      Json token = token_json(model, log_probs.chosen);
      token["top_logprobs"] = Json::array();
      for (const TokenLogProb& other : log_probs.likeliest)
        token["top_logprobs"].push_back(token_json(model, other));
      content.push_back(std::move(token));
    }
    answer["logprobs"] = {{"content", std::move(content)}};
  }
  return answer;
}

// Requests line by line, several at once: as many lines are read ahead as have come, and the answers are
// written in the order of the lines.
class LineAnswers {
 public:
  LineAnswers(OpenModel& model, RequestReader reader)
      : model_(model),
        reader_(std::move(reader)),
        engine_(*model.llama, model.tokenizer ? &*model.tokenizer : nullptr, {.context = model.context}) {}

  void run(std::istream& input) {
    JsonlReader lines(input, "standard input");
    for (bool is_done = false; !is_done || !engine_.is_idle();) {
      // Whoever waits for an answer before the next line gets it.
      while (!is_done && (engine_.is_idle() || has_more(input))) is_done = !read(lines);
      for (Engine::Finished& finished : engine_.step()) finish(finished);
      write_ready();
    }
    errors_.raise();
  }

 private:
  static constexpr size_t kReadAhead = 8 * Engine::kMaxSequences;  // Lines.

  struct Line {
    std::string place;
    int64_t number = -1;  // The engine's.
    GenerationRequest request = {};
    std::optional<Json> answer = {};
  };

  bool has_more(std::istream& input) const {
    return lines_.size() < kReadAhead && input.rdbuf()->in_avail() > 0;
  }

  // False at the end of the input.
  bool read(JsonlReader& reader) {
    try {
      const std::optional<std::string> text = reader.next();
      if (!text) return false;
      Line line{.place = reader.place(), .request = reader_.read(parse_json_line(*text))};
      line.number = engine_.submit(line.request);
      lines_.push_back(std::move(line));
    } catch (const Error& error) {
      lines_.push_back({.place = reader.place(), .answer = errors_.add(reader.place(), error.what())});
      write_ready();
    }
    return true;
  }

  void finish(Engine::Finished& finished) {
    const auto line = std::find_if(lines_.begin(), lines_.end(),
                                   [&](const Line& l) { return l.number == finished.number; });
    line->answer = finished.error.empty() ? answer_json(model_, line->request, finished.generation)
                                          : errors_.add(line->place, finished.error);
  }

  void write_ready() {
    for (; !lines_.empty() && lines_.front().answer; lines_.pop_front())
      write_json_line(*lines_.front().answer);
  }

  OpenModel& model_;
  RequestReader reader_;
  Engine engine_;
  std::deque<Line> lines_;  // Read and not yet answered.
  LineErrors errors_;
};

void run_generate(const GenerateOptions& options) {
  if (options.is_jsonl == options.prompt.has_value())
    fail("give either --prompt TEXT or --jsonl with requests on standard input; see `poro generate --help`");
  OpenModel model = open_model(options.model);
  const TraceFile trace(*model.device, options.trace);
  const GenerationRequest defaults = default_request(model, options);
  const EndOfText end_of_text = options.ignores_eos ? EndOfText::kIsIgnored : EndOfText::kStops;
  if (options.is_jsonl) {
    std::ios::sync_with_stdio(false);  // Else nobody can tell whether there is more to read.
    LineAnswers(model, {.model = model, .defaults = defaults, .end_of_text = end_of_text}).run(std::cin);
    return trace.write();
  }
  Generator generator(*model.llama, model.tokenizer ? &*model.tokenizer : nullptr, model.context);
  GenerationRequest request = defaults;
  add_end_of_text(model, end_of_text, request);
  request.ids = model.encode_with_bos(*options.prompt);
  const Generation generation = generator.generate(request, [](std::string_view text) {
    std::fwrite(text.data(), 1, text.size(), stdout);
    std::fflush(stdout);
  });
  std::putchar('\n');
  if (generation.is_context_full)
    warn("the context of {} tokens is full, so the text ends here", model.context);
  trace.write();
}

}  // namespace

void add_generate(CLI::App& root) {
  CLI::App* command = root.add_subcommand("generate", "Continue a text, or answer requests line by line");
  auto options = std::make_shared<GenerateOptions>();
  add_model_option(*command, options->model);
  add_compute_options(*command, options->model);
  command->add_option("--prompt", options->prompt, "The text to continue");
  command->add_flag("--jsonl", options->is_jsonl,
                    "Requests as lines on standard input, answers as lines on standard output");
  command->add_option("--max-new-tokens", options->max_new_tokens,
                      fmt::format("The most tokens to add; default: as generation_config.json says, else {}",
                                  kDefaultNewTokens));
  command->add_option("--stop", options->stop, "End before this text; may be given several times")
      ->expected(1)
      ->take_all();
  command->add_flag("--ignore-eos", options->ignores_eos, "Go on after the model's own end of text");
  add_sampling_options(*command, options->sampling);
  add_trace_option(*command, options->trace);
  command->footer(
      "Lines in:  {\"ids\": [...]} or {\"prompt\": ...} or {\"messages\": [...], \"tools\": [...]?}, and any "
      "of max_new_tokens, stop,\n"
      "           stop_ids, ignore_eos, logprobs (how many alternatives to show), and the parameters above\n"
      "Lines out: {\"ids\": [...], \"text\": ..., \"finish_reason\": \"stop|length\", \"usage\": {...}}\n"
      "Example: poro generate --model LumiOpen/Llama-Poro-2-8B-Instruct --prompt 'Suomen pääkaupunki on' "
      "--max-new-tokens 20");
  command->callback([options] { lead_ranks(options->model, [&] { run_generate(*options); }); });
}

}  // namespace poro
