#include "text/jinja/runtime.h"

#include <algorithm>
#include <cstring>
#include <memory>

#include "text/jinja/ast.h"
#include "text/jinja/printing.h"

namespace poro::jinja {

std::span<Value> Runtime::values(size_t count) {
  if (count > kMaxBytes / sizeof(Value)) fail("the template makes a list of {} items", count);
  step(count / 16);
  Value* first = static_cast<Value*>(arena_.allocate(count * sizeof(Value)));
  std::uninitialized_fill_n(first, count, Value());
  return {first, count};
}

Activation* Runtime::activate(const FunctionCode& code, Activation* parent) {
  return make<Activation>(values(static_cast<size_t>(code.num_slots)).data(), parent);
}

std::string_view Runtime::copy(std::string_view text) {
  if (text.empty()) return "";
  step(text.size() / 64);
  char* bytes = static_cast<char*>(arena_.allocate(text.size()));
  std::memcpy(bytes, text.data(), text.size());
  return {bytes, text.size()};
}

Value Runtime::list(std::span<const Value> items) {
  const std::span<Value> copied = values(items.size());
  std::copy(items.begin(), items.end(), copied.begin());
  return Value::list(copied);
}

Value Runtime::tuple(std::span<const Value> items) {
  return Value::tuple(list(items).items());
}

void Runtime::write(std::string_view text) {
  step_bytes(text.size());
  written_ += text.size();
  if (written_ > kMaxOutputBytes) fail("the template writes more than {} MiB", kMaxOutputBytes >> 20);
  output->text += text;
}

void Runtime::write(const Value& value) {
  if (!value.is_string()) return write_str(*this, value);
  if (!carried_.empty()) {
    if (const auto found = carried_.find(value.text().data()); found != carried_.end()) {
      const size_t at = output->text.size();
      for (const auto& [from, to] : found->second)
        if (to <= value.text().size()) output->spans.emplace_back(at + from, at + to);
    }
  }
  write(value.text());
}

Value Runtime::take(Output&& output) {
  const Value value = string(output.text);
  if (!output.spans.empty() && !output.text.empty()) carried_[value.text().data()] = std::move(output.spans);
  return value;
}

void Runtime::carry_spans(const Value& whole, const Value& part, size_t at) {
  if (carried_.empty()) return;
  const auto found = carried_.find(part.text().data());
  if (found == carried_.end()) return;
  const Spans spans = found->second;
  for (const auto& [from, to] : spans)
    if (to <= part.text().size()) carried_[whole.text().data()].emplace_back(at + from, at + to);
}

}  // namespace poro::jinja
