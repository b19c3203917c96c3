// Any bytes as a safetensors file: either a sentence, or a header whose every claim holds.
#include <cstdlib>
#include <span>

#include "base/error.h"
#include "model/safetensors.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    const auto entries = poro::parse_safetensors_header(std::as_bytes(std::span(data, size)), "input");
    uint64_t total = 0;
    for (const auto& [name, entry] : entries) {
      if (entry.begin > entry.end || entry.end > size) std::abort();
      total += entry.end - entry.begin;
    }
    if (total > size) std::abort();  // Some bytes belong to two tensors.
  } catch (const poro::Error&) {
  }
  return 0;
}
