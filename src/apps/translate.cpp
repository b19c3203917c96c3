// `poro translate`: a document into Finnish or English, paragraph by paragraph. A chat model is asked, a
// model without a template is shown examples; both see the same ones, and greedily say the likeliest
// translation.
#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <span>

#include "apps/commands.h"
#include "apps/line_blocks.h"
#include "apps/model_options.h"
#include "apps/ranks.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/progress.h"
#include "infer/generator.h"
#include "text/prose.h"
#include "text/unicode.h"

namespace poro {
namespace {

struct Language {
  std::string_view code, own_name;
  std::string_view order;  // In the language itself, so that an answer in it comes naturally.
};
constexpr Language kLanguages[] = {
    {"fi", "Suomi", "Käännä seuraava teksti suomeksi. Vastaa pelkällä käännöksellä."},
    {"en", "English", "Translate the following text into English. Answer with the translation alone."},
};

// One title, one sentence of speech, one of prose, one with markup: what the pieces of a document look like.
struct Example {
  std::string_view finnish, english;
};
constexpr Example kExamples[] = {
    {"Näin pääset alkuun", "How to get started"},
    {"– Tuletko sinäkin mukaan? hän kysyi.", "“Are you coming too?” she asked."},
    {"Järvi jäätyi tänä vuonna jo marraskuussa, ja lapset luistelivat sillä koko viikonlopun.",
     "The lake froze as early as November this year, and the children skated on it all weekend."},
    {"Asenna ohjelma komennolla `make install` ja lue **ohjeet** ennen ensimmäistä käynnistystä.",
     "Install the program with `make install` and read the **instructions** before the first start."},
};

struct TranslateOptions {
  ModelOptions model;
  std::string to, file;
};

class Translator {
 public:
  Translator(const OpenModel& model, const std::string& to)
      : model_(model),
        to_(to == "fi" ? kLanguages[0] : kLanguages[1]),
        from_(to == "fi" ? kLanguages[1] : kLanguages[0]),
        generator_(*model.llama, &model.text_tokenizer(), model.context) {}

  // The translation, empty when the model has none to say. Throws Error for a text over the context.
  Generation translate(const std::string& text) {
    GenerationRequest request{.ids = model_.chat_template ? chat_ids(text) : text_ids(text),
                              .sampling = {.temperature = 0},
                              .max_new_tokens = most_tokens(text),
                              .stop_ids = model_.stop_ids};
    if (!model_.chat_template) request.stop_strings = {"\n"};
    return generator_.generate(request);
  }

 private:
  // Finnish takes more tokens than English; a translation several times as long is a model going in circles.
  int64_t most_tokens(const std::string& text) const {
    return 64 + 4 * std::ssize(model_.text_tokenizer().encode(text));
  }
  std::string_view in(const Language& language, const Example& example) const {
    return language.code == "fi" ? example.finnish : example.english;
  }

  std::vector<int32_t> chat_ids(const std::string& text) const {
    TemplateInput input{.messages = Json::array()};
    input.add_generation_prompt = true;
    const auto ask = [&](std::string_view source) {
      input.messages.push_back({{"role", "user"}, {"content", fmt::format("{}\n\n{}", to_.order, source)}});
    };
    for (const Example& example : kExamples) {
      ask(in(from_, example));
      input.messages.push_back({{"role", "assistant"}, {"content", in(to_, example)}});
    }
    ask(text);
    return model_.tokenizer->encode(model_.chat_template->render(input).text);
  }

  std::vector<int32_t> text_ids(const std::string& text) const {
    std::string prompt;
    for (const Example& example : kExamples)
      prompt += fmt::format("{}:\n{}\n{}:\n{}\n\n", from_.own_name, in(from_, example), to_.own_name,
                            in(to_, example));
    return model_.encode_with_bos(prompt + fmt::format("{}:\n{}\n{}:\n", from_.own_name, text, to_.own_name));
  }

  using Json = nlohmann::ordered_json;

  const OpenModel& model_;
  const Language to_, from_;
  Generator generator_;
};

std::string read_document(const std::string& file) {
  std::string text = file.empty() || file == "-" ? read_to_end(STDIN_FILENO) : read_file(file);
  if (is_valid_utf8(text)) return text;
  warn("the input is not valid UTF-8 throughout; what is not became U+FFFD");
  return replace_invalid_utf8(text);
}

void write(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0)
    throw std::runtime_error("cannot write to standard output");
}

// What takes the place of one piece; the piece itself where the model fails, with a warning.
std::string translated(Translator& translator, const ProsePiece& piece) {
  Generation generation;
  try {
    generation = translator.translate(sentence_of(piece));
  } catch (const Error& error) {
    fail("line {}: {}", piece.line, error.what());
  }
  std::string text = laid_out(generation.text, piece);
  if (text.empty()) {
    warn("line {}: the model has no translation for this, so it stays as it is", piece.line);
    return piece.text;
  }
  if (generation.finish_reason == FinishReason::kLength)
    warn("line {}: the translation did not come to an end and is cut after {} tokens", piece.line,
         generation.ids.size());
  return text;
}

void run_translate(const TranslateOptions& options) {
  if (is_random_shape(options.model))
    fail("{} has random weights and nothing to say; name a model folder", options.model.model);
  const std::vector<ProsePiece> pieces = split_prose(read_document(options.file));
  OpenModel model = open_model(options.model);
  Translator translator(model, options.to);
  const auto is_prose = [](const ProsePiece& piece) { return piece.kind == ProsePiece::Kind::kProse; };
  std::optional<Progress> progress;  // A bar would tear through text on the same terminal.
  if (::isatty(STDOUT_FILENO) == 0)
    progress.emplace("translating",
                     static_cast<uint64_t>(std::count_if(pieces.begin(), pieces.end(), is_prose)),
                     ProgressUnit::kItems);
  for (const ProsePiece& piece : pieces) {
    write(is_prose(piece) ? translated(translator, piece) : piece.text);
    if (progress && is_prose(piece)) progress->add(1);
  }
}

}  // namespace

void add_translate(CLI::App& root) {
  CLI::App* command = root.add_subcommand("translate", "A document into Finnish or English");
  auto options = std::make_shared<TranslateOptions>();
  add_model_option(*command, options->model);
  add_compute_options(*command, options->model);
  command->add_option("--to", options->to, "fi or en; from the other one")
      ->required()
      ->check(CLI::IsMember({"fi", "en"}));
  command->add_option("FILE", options->file, "Text or Markdown; default: standard input");
  command->footer(
      "Paragraphs, list items, headings and table cells are translated one by one; layout, markers and code "
      "blocks "
      "stay.\n"
      "Example: poro translate --model LumiOpen/Llama-Poro-2-8B-Instruct --to fi guide.md > opas.md");
  command->callback([options] { lead_ranks(options->model, [&] { run_translate(*options); }); });
}

}  // namespace poro
