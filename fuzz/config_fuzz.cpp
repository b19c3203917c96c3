// Any text as config.json and as generation_config.json: either a sentence, or a model whose numbers can be
// used.
#include <cmath>
#include <cstdlib>
#include <string_view>

#include "base/error.h"
#include "base/json.h"
#include "model/config.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    const nlohmann::json json = poro::parse_json(text, "input");
    try {
      (void)poro::GenerationConfig::from_json(json, "input");
    } catch (const poro::Error&) {
    }
    const poro::LlamaConfig config = poro::LlamaConfig::from_json(json, "input");
    if (config.num_parameters() <= 0) std::abort();
    if (config.head_dim <= 4096)
      for (const double frequency : config.rope_frequencies())
        if (!std::isfinite(frequency)) std::abort();
    const poro::LlamaConfig again = poro::LlamaConfig::from_json(config.to_json(), "written");
    if (again.to_json() != config.to_json()) std::abort();
  } catch (const poro::Error&) {
  }
  return 0;
}
