#include "infer/generator.h"

#include "base/error.h"

namespace poro {

Generator::Generator(Llama& model, const Tokenizer* tokenizer, int64_t context)
    : engine_(model, tokenizer, {.context = context, .sequences = 1, .prefix = Engine::Prefix::kKept}) {}

Generation Generator::generate(const GenerationRequest& request, const OnText& on_text) {
  engine_.submit(request, on_text);
  std::vector<Engine::Finished> finished;
  while (finished.empty()) finished = engine_.step();
  if (!finished[0].error.empty()) throw Error(finished[0].error);
  return std::move(finished[0].generation);
}

}  // namespace poro
