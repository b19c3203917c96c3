// Any bytes as a tokenizer.json: refused with an Error, or a tokenizer whose encoding and decoding hold
// together. What follows the first NUL byte is text to encode.
#include <string_view>

#include "base/error.h"
#include "text/tokenizer.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t end = std::min(input.find('\0'), size);
  const std::string_view text = input.substr(std::min(end + 1, size));
  try {
    const poro::Tokenizer tokenizer = poro::Tokenizer::from_json(input.substr(0, end));
    for (const auto special : {poro::SpecialTokens::kRecognise, poro::SpecialTokens::kPlain}) {
      const std::vector<int32_t> ids = tokenizer.encode(text, special);
      poro::TextStream stream(tokenizer);
      std::string streamed;
      for (const int32_t id : ids) streamed += stream.push(id);
      CHECK(streamed + stream.finish() == tokenizer.decode(ids), "a stream of {} ids is not their text",
            ids.size());
    }
  } catch (const poro::Error&) {
  }
  return 0;
}
