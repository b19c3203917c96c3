#include "text/jinja/render.h"

#include <algorithm>

#include "text/jinja/functions.h"
#include "text/jinja/operations.h"

namespace poro::jinja {
namespace {

using Json = nlohmann::ordered_json;

// Strings stay where they are: the JSON outlives the rendering.
Value from_json(Runtime& runtime, const Json& json, int depth) {
  if (depth > kMaxValueDepth)
    fail("the input of the template nests lists and objects more than {} deep", kMaxValueDepth);
  switch (json.type()) {
    case Json::value_t::boolean:
      return Value::boolean(json.get<bool>());
    case Json::value_t::number_integer:
      return Value::integer(json.get<int64_t>());
    case Json::value_t::number_unsigned:
      if (json.get<uint64_t>() > static_cast<uint64_t>(INT64_MAX))
        fail("the integer {} does not fit in 64 bits", json.get<uint64_t>());
      return Value::integer(static_cast<int64_t>(json.get<uint64_t>()));
    case Json::value_t::number_float:
      return Value::number(json.get<double>());
    case Json::value_t::string:
      return Value::string(json.get_ref<const std::string&>());
    case Json::value_t::array: {
      const std::span<Value> items = runtime.values(json.size());
      for (size_t i = 0; i < items.size(); ++i) items[i] = from_json(runtime, json[i], depth + 1);
      return Value::list(items);
    }
    case Json::value_t::object: {
      Dict* dict = runtime.dict();
      dict->reserve(runtime, json.size());
      for (const auto& [key, value] : json.get_ref<const Json::object_t&>())
        dict->set(runtime, Value::string(key), from_json(runtime, value, depth + 1));
      return Value::dict(dict);
    }
    default:
      return Value::none();
  }
}

// Ascending, each span apart from the next: one inside another is part of it.
Spans merged(Spans spans) {
  std::sort(spans.begin(), spans.end(), [](const auto& a, const auto& b) {
    return a.first != b.first ? a.first < b.first : a.second > b.second;
  });
  Spans result;
  for (const auto& span : spans) {
    if (span.first == span.second) continue;
    if (!result.empty() && span.first < result.back().second) {
      result.back().second = std::max(result.back().second, span.second);
    } else {
      result.push_back(span);
    }
  }
  return result;
}

}  // namespace

Output render(const Template& parsed, const RenderVariables& variables) {
  Runtime runtime;
  Output output;
  try {
    runtime.variables = runtime.dict();
    add_globals(runtime, *runtime.variables);
    for (const auto& [name, value] : variables)
      runtime.variables->set(runtime, Value::string(name), from_json(runtime, *value, 0));
    runtime.output = &output;
    runtime.activation = runtime.activate(parsed.function, nullptr);
    parsed.function.start.enter(runtime);
    execute_all(parsed.body, runtime);
  } catch (const Error& error) {
    if (runtime.line == 0) fail("chat template: {}", error.what());
    fail("chat template, line {}: {}", runtime.line, error.what());
  }
  output.spans = merged(std::move(output.spans));
  return output;
}

}  // namespace poro::jinja
