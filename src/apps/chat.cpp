// `poro chat`: a conversation in the terminal. Answers go to standard output, everything about them to
// standard error, so that a piped conversation prints answers alone.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <random>
#include <sstream>

#include "apps/commands.h"
#include "apps/conversation.h"
#include "apps/interrupt.h"
#include "apps/line_editor.h"
#include "apps/model_options.h"
#include "apps/ranks.h"
#include "apps/sampling_options.h"
#include "apps/shipped_model.h"
#include "base/error.h"
#include "base/log.h"
#include "infer/generator.h"
#include "text/unicode.h"

namespace poro {
namespace {

constexpr const char* kNoModel =
    "no model is named, and none ships with this program.\n"
    "  Poro 2, for Finnish and English, 8 billion parameters (16 GB to fetch; about 6 GB of memory with "
    "--dtype int4):\n"
    "    poro pull LumiOpen/Llama-Poro-2-8B-Instruct\n"
    "    poro chat --model LumiOpen/Llama-Poro-2-8B-Instruct --dtype int4\n"
    "  A model folder in Hugging Face layout that you have already:\n"
    "    poro chat --model FOLDER        (or: make chat MODEL=FOLDER)";

struct ChatOptions {
  ModelOptions model;
  SamplingFlags sampling;
  std::optional<int64_t> max_new_tokens;
  std::string system;
};

// Colours for people, nothing for a pipe.
struct Style {
  bool is_terminal = LineEditor::is_terminal();
  bool has_colour = is_terminal && std::getenv("NO_COLOR") == nullptr;
  // \1 tells the line editor where the invisible part of a prompt begins and ends.
  std::string prompt() const { return has_colour ? "\1\033[1;36m\1> \1\033[0m\1" : "> "; }
};

// Text of a model without what would steer the terminal: control characters but for line ends and tabs.
std::string printable(std::string_view text) {
  std::string result;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const bool is_c1 = byte == 0xC2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xA0;
    if (is_c1)
      ++i;
    else if ((byte >= 0x20 && byte != 0x7F) || byte == '\n' || byte == '\t')
      result += text[i];
  }
  return result;
}

class Chat {
 public:
  Chat(OpenModel& model, const ChatOptions& options, InterruptFlag& interrupt)
      : model_(model),
        interrupt_(interrupt),
        generator_(*model.llama, &model.text_tokenizer(), model.context),
        sampling_(sampling_defaults(model, options.sampling, options.model)),
        max_new_tokens_(options.max_new_tokens ? options.max_new_tokens : model.generation.max_new_tokens) {
    if (!options.model.seed) sampling_.seed = std::random_device{}();
    if (!options.system.empty()) conversation_.set_system(options.system);
  }

  void run();

 private:
  struct Command {
    const char* name;
    const char* argument;
    const char* help;
    void (Chat::*run)(const std::string& argument);
  };
  static const Command kCommands[];

  void execute(const std::string& line);
  void answer(const std::string& text);
  void show_outcome(const Generation& generation);
  std::vector<int32_t> prompt_ids() const;

  void help(const std::string&);
  void system(const std::string& text);
  void reset(const std::string&);
  void save(const std::string& file);
  void load(const std::string& file);
  void set(const std::string& setting);
  void stats(const std::string&);
  void quit(const std::string&) { is_done_ = true; }

  template <class... Args>
  void note(fmt::format_string<Args...> format, Args&&... args) const {
    const std::string text = fmt::format(format, std::forward<Args>(args)...);
    fmt::print(stderr, "{}{}{}\n", style_.has_colour ? "\033[2m" : "", text,
               style_.has_colour ? "\033[0m" : "");
  }

  OpenModel& model_;
  InterruptFlag& interrupt_;
  Generator generator_;
  SamplingParameters sampling_;
  std::optional<int64_t> max_new_tokens_;
  Conversation conversation_;
  Style style_;
  std::optional<Generation> last_;
  uint64_t num_answers_ = 0;
  bool is_done_ = false;
};

const Chat::Command Chat::kCommands[] = {
    {"help", "", "this list", &Chat::help},
    {"system", "TEXT", "tell the model who it is; without TEXT, show what it was told", &Chat::system},
    {"reset", "", "start a new conversation, the system text kept", &Chat::reset},
    {"save", "FILE", "write the conversation as {\"messages\": [...]}", &Chat::save},
    {"load", "FILE", "go on with a saved conversation", &Chat::load},
    {"set", "NAME VALUE", "change a sampling parameter; without NAME, show them all", &Chat::set},
    {"stats", "", "how fast the last answer was, and how full the context is", &Chat::stats},
    {"quit", "", "leave (so does Ctrl-D; Ctrl-C stops an answer)", &Chat::quit},
};

void Chat::run() {
  LineEditor editor(style_.prompt(), history_path(), interrupt_);
  if (style_.is_terminal) note("{} on {}; /help lists the commands", model_.name, model_.device->name());
  std::string line;
  while (!is_done_) {
    interrupt_.clear();
    const ReadOutcome outcome = editor.read(line);
    if (outcome == ReadOutcome::kInterrupted) continue;
    if (outcome == ReadOutcome::kEnd) break;
    interrupt_.clear();
    try {
      if (line.starts_with('/'))
        execute(line.substr(1));
      else if (line.find_first_not_of(" \t\r") != std::string::npos)
        answer(line);
    } catch (const Error& error) {
      note("{}", error.what());
    }
  }
  if (style_.is_terminal && !is_done_) std::putchar('\n');  // Ctrl-D leaves the cursor behind the prompt.
}

void Chat::execute(const std::string& line) {
  const size_t space = line.find_first_of(" \t");
  const std::string name = line.substr(0, space);
  const size_t begin = line.find_first_not_of(" \t", space);
  const std::string argument =
      begin == std::string::npos ? "" : line.substr(begin, line.find_last_not_of(" \t\r") + 1 - begin);
  for (const Command& command : kCommands)
    if (name == command.name) return (this->*command.run)(argument);
  fail("/{} is no command; /help lists them", name);
}

std::vector<int32_t> Chat::prompt_ids() const {
  TemplateInput input;
  input.messages = conversation_.messages();
  input.add_generation_prompt = true;
  return model_.tokenizer->encode(model_.conversation_template().render(input).text);
}

void Chat::answer(const std::string& text) {
  conversation_.add("user", replace_invalid_utf8(text));
  GenerationRequest request{
      .sampling = sampling_, .max_new_tokens = max_new_tokens_, .stop_ids = model_.stop_ids};
  request.sampling.seed += num_answers_;
  request.is_cancelled = interrupt_.flag();
  try {
    request.ids = prompt_ids();
    last_ = generator_.generate(request, [&](std::string_view piece) {
      const std::string shown = style_.is_terminal ? printable(piece) : std::string(piece);
      std::fwrite(shown.data(), 1, shown.size(), stdout);
      std::fflush(stdout);
    });
  } catch (const Error& error) {
    conversation_.remove_last();
    fail("{}; nothing was said yet. /reset starts a new conversation, /save FILE keeps this one",
         error.what());
  }
  ++num_answers_;
  std::putchar('\n');
  std::fflush(stdout);
  show_outcome(*last_);
}

void Chat::show_outcome(const Generation& generation) {
  const bool is_cancelled = generation.finish_reason == FinishReason::kCancelled;
  if (is_cancelled && generation.text.empty()) {
    conversation_.remove_last();
    note("stopped before the first word; the question is forgotten");
    return;
  }
  conversation_.add("assistant", generation.text);
  if (is_cancelled) note("stopped");
  if (generation.finish_reason == FinishReason::kLength &&
      std::ssize(generation.ids) + generation.prompt_tokens == generator_.context())
    note(
        "the context of {} tokens is full, so the answer ends here; /reset starts a new conversation, /save "
        "FILE keeps this one",
        generator_.context());
  else if (generation.finish_reason == FinishReason::kLength)
    note("the answer ends after max_new_tokens = {}", generation.ids.size());
}

void Chat::help(const std::string&) {
  for (const Command& command : kCommands)
    note("/{:<18} {}", fmt::format("{} {}", command.name, command.argument), command.help);
}

void Chat::system(const std::string& text) {
  if (!text.empty()) conversation_.set_system(replace_invalid_utf8(text));
  const std::string now = conversation_.system();
  note("{}", now.empty() ? "there is no system text" : "system: " + now);
}

void Chat::reset(const std::string&) {
  conversation_.reset();
  num_answers_ = 0;
  last_.reset();
  note("a new conversation{}", conversation_.system().empty() ? "" : ", with the same system text");
}

void Chat::save(const std::string& file) {
  if (file.empty()) fail("/save needs the name of a file");
  conversation_.save(file);
  note("saved {} messages to {}", conversation_.messages().size(), file);
}

void Chat::load(const std::string& file) {
  if (file.empty()) fail("/load needs the name of a file");
  conversation_.load(file);
  note("loaded {} messages from {}", conversation_.messages().size(), file);
}

void Chat::set(const std::string& setting) {
  std::istringstream words(setting);
  std::string name, value, rest;
  words >> name >> value >> rest;
  if (name.empty()) {
    for (const SamplingField& field : sampling_fields())
      note("{:<20} {:<8} {}", field.name, parameter_text(sampling_, field), field.help);
    return;
  }
  const SamplingField* field = find_sampling_field(name);
  if (field == nullptr) fail("{} is no sampling parameter; /set alone lists them", name);
  if (value.empty() || !rest.empty())
    fail("/set takes a name and a value: /set {} {}", name, parameter_text(sampling_, *field));
  set_parameter(sampling_, *field, value);
  note("{} = {}", name, parameter_text(sampling_, *field));
}

void Chat::stats(const std::string&) {
  if (!last_) fail("no answer yet");
  const Generation& g = *last_;
  const auto fed = g.prompt_tokens - g.cached_tokens;
  note("prompt: {} tokens, {} of them known already; {} in {:.2f} s, {:.1f} tokens per second",
       g.prompt_tokens, g.cached_tokens, fed, g.prefill_seconds,
       static_cast<double>(fed) / std::max(g.prefill_seconds, 1e-9));
  note("answer: {} tokens in {:.2f} s, {:.1f} tokens per second", g.ids.size(), g.decode_seconds,
       static_cast<double>(g.ids.size()) / std::max(g.decode_seconds, 1e-9));
  note("context: {} of {} tokens", g.prompt_tokens + std::ssize(g.ids), generator_.context());
}

void run_chat(const ChatOptions& options) {
  if (options.model.model.empty() && !shipped_model()) throw Error(kNoModel);
  if (options.max_new_tokens && *options.max_new_tokens < 1)
    fail("--max-new-tokens {} is under 1", *options.max_new_tokens);
  if (is_random_shape(options.model))
    fail("{} has random weights and nothing to say; name a model folder, or see `poro chat` without --model",
         options.model.model);
  std::optional<InterruptBlock> block(std::in_place);
  OpenModel model = open_model(options.model);
  block.reset();
  model.conversation_template();
  InterruptFlag interrupt(LineEditor::is_terminal() ? InterruptFlag::Signal::kCaught
                                                    : InterruptFlag::Signal::kLeftAlone);
  Chat(model, options, interrupt).run();
}

}  // namespace

void add_chat(CLI::App& root) {
  CLI::App* command = root.add_subcommand("chat", "Talk with a model");
  auto options = std::make_shared<ChatOptions>();
  command->add_option("--model", options->model.model,
                      "A model folder, or a hub name fetched with `poro pull`; default: the model that ships "
                      "with the program");
  add_compute_options(*command, options->model);
  command->add_option("--system", options->system, "What the model is told before the conversation");
  command->add_option("--max-new-tokens", options->max_new_tokens,
                      "The longest answer; default: as far as the context reaches");
  add_sampling_options(*command, options->sampling);
  command->footer(
      "In the conversation, /help lists the commands and Ctrl-C stops an answer. Lines piped in are answered "
      "one by one.\n"
      "Example: poro chat --model LumiOpen/Llama-Poro-2-8B-Instruct --dtype int4");
  command->callback([options] { lead_ranks(options->model, [&] { run_chat(*options); }); });
}

}  // namespace poro
