// What the evaluation reads from outside without a library that is fuzzed elsewhere: tables of
// comma-separated text, and the bodies that a judge's server sends.
#include <cstdlib>
#include <string_view>

#include "base/error.h"
#include "eval/csv.h"
#include "eval/remote_reply.h"
#include "eval/tasks/mtbench.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  try {
    const poro::Csv csv = poro::parse_csv(text, "input");
    for (const auto& row : csv.rows)
      if (row.size() != csv.header.size()) std::abort();
  } catch (const poro::Error&) {
  }
  for (const poro::ChatRequest& request :
       {poro::ChatRequest{.messages = {{"user", "x"}}}, poro::ChatRequest{.text = "x"}}) {
    const auto reply = poro::read_reply(text, request);
    if (reply.has_value() != poro::is_whole_reply(text)) std::abort();
  }
  const poro::Refusal refusal = poro::classify({.status = 429, .headers = {}, .error_body = text});
  if (refusal.sentence.empty()) std::abort();
  try {
    if (poro::mtbench::rating(text) < poro::mtbench::kNoRating) std::abort();
  } catch (const poro::Error&) {  // Not UTF-8.
  }
  return 0;
}
