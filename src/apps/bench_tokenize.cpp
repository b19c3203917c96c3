// `poro bench tokenize`: bytes per second of encoding, by file, and how the machine's threads add up.
#include <atomic>
#include <chrono>
#include <ctime>
#include <iostream>

#include "apps/bench.h"
#include "apps/jsonl.h"
#include "apps/model_options.h"
#include "base/error.h"
#include "base/file.h"
#include "base/threads.h"
#include "text/tokenizer.h"
#include "text/unicode.h"

namespace poro {
namespace {

struct Options {
  ModelOptions model;
  std::vector<std::string> files;
  double seconds = 2;
};

double seconds_of(const std::function<void()>& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// The text in lines of some kilobytes, as a corpus of documents comes.
std::vector<std::string_view> documents_of(std::string_view text) {
  constexpr size_t kDocumentBytes = 16 << 10;
  std::vector<std::string_view> documents;
  while (!text.empty()) {
    const size_t newline = text.find('\n', std::min(kDocumentBytes, text.size() - 1));
    const size_t end = newline == std::string_view::npos ? text.size() : newline + 1;
    documents.push_back(text.substr(0, end));
    text.remove_prefix(end);
  }
  return documents;
}

double processor_seconds() {
  return static_cast<double>(std::clock()) / CLOCKS_PER_SEC;
}

struct Rates {
  double per_second = 0;  // of the clock on the wall
  double per_processor_second =
      0;  // of time that the threads truly ran: what a machine with other work still tells
};

// The best of several passes over all documents by all threads of the pool, in bytes per second.
Rates rate_of(const Tokenizer& tokenizer, const std::vector<std::string_view>& documents, ThreadPool& pool,
              double seconds) {
  size_t bytes = 0;
  for (const std::string_view document : documents) bytes += document.size();
  Rates best;
  double spent = 0;
  for (int pass = 0; pass < 2 || spent < seconds; ++pass) {
    std::atomic<size_t> next{0};
    const double before = processor_seconds();
    const double took = seconds_of([&] {
      pool.run([&](int) {
        for (size_t i; (i = next++) < documents.size();) tokenizer.encode(documents[i]);
      });
    });
    spent += took;
    best.per_second = std::max(best.per_second, static_cast<double>(bytes) / took);
    best.per_processor_second =
        std::max(best.per_processor_second, static_cast<double>(bytes) / (processor_seconds() - before));
  }
  return best;
}

Json measure(const Tokenizer& tokenizer, const std::string& file, const Options& options) {
  const std::string text = replace_invalid_utf8(read_file(file));
  if (text.empty()) fail("{} is empty, so there is nothing to measure", file);
  const std::vector<std::string_view> documents = documents_of(text);
  size_t num_tokens = 0;
  for (const std::string_view document : documents) num_tokens += tokenizer.encode(document).size();
  ThreadPool one(1), all(options.model.threads);
  const Rates single = rate_of(tokenizer, documents, one, options.seconds);
  const Rates together = rate_of(tokenizer, documents, all, options.seconds);
  return {{"file", file},
          {"bytes", text.size()},
          {"tokens", num_tokens},
          {"bytes_per_token", static_cast<double>(text.size()) / static_cast<double>(num_tokens)},
          {"bytes_per_second_one_thread", single.per_second},
          {"bytes_per_processor_second_one_thread", single.per_processor_second},
          {"threads", all.size()},
          {"bytes_per_second", together.per_second},
          {"scaling", together.per_second / single.per_second}};
}

void bench(const Options& options) {
  const std::filesystem::path model = std::filesystem::is_regular_file(options.model.model)
                                          ? std::filesystem::path(options.model.model)
                                          : model_folder(options.model.model);
  std::optional<Tokenizer> tokenizer;
  const double load_seconds = seconds_of([&] { tokenizer = Tokenizer::load(model); });
  Json result = {{"load_seconds", load_seconds}, {"files", Json::array()}};
  for (const std::string& file : options.files) result["files"].push_back(measure(*tokenizer, file, options));
  std::cout << result.dump(2) << "\n";
}

}  // namespace

void add_bench_tokenize(CLI::App& bench_root) {
  CLI::App* command = bench_root.add_subcommand("tokenize", "Bytes per second of encoding text files");
  auto options = std::make_shared<Options>();
  add_model_option(*command, options->model);
  command->add_option("--file", options->files, "Text files, one language each");
  command->add_option("--threads", options->model.threads, "Threads; 0: every core")
      ->check(CLI::Range(0, 4096));
  command->add_option("--seconds", options->seconds, "How long to measure each rate")
      ->check(CLI::PositiveNumber);
  command->footer(
      "Example: poro bench tokenize --model LumiOpen/Llama-Poro-2-8B-Instruct --file finnish.txt");
  command->callback([options] { bench(*options); });
}

}  // namespace poro
