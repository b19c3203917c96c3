#include "base/json.h"

#include "base/error.h"

namespace poro {
namespace {

[[noreturn]] void fail_type(const std::string& where, const char* name, const char* expected,
                            const nlohmann::json& found) {
  fail("{}: \"{}\" should be {}, but is {}", where, name, expected,
       found.is_structured() ? found.type_name()
                             : quote(found.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)));
}

}  // namespace

nlohmann::json parse_json(std::string_view text, const std::string& where) {
  try {
    return nlohmann::json::parse(text);
  } catch (const nlohmann::json::exception& error) {
    // The library's message holds the position; its "[json.exception...]" tag says nothing to a reader.
    const std::string_view message = error.what();
    const size_t tag_end = message.find("] ");
    fail("{} is not valid JSON: {}", where,
         quote(tag_end == message.npos ? message : message.substr(tag_end + 2)));
  }
}

std::string quote(std::string_view text) {
  constexpr size_t kMaxBytes = 100;
  std::string quoted;
  for (const char c : text) {
    if (quoted.size() >= kMaxBytes && (static_cast<unsigned char>(c) & 0xc0) != 0x80) return quoted + "...";
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
      quoted += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    else
      quoted += c;
  }
  return quoted;
}

JsonFields::JsonFields(const nlohmann::json& json, const std::string& where) : json_(&json), where_(&where) {
  if (!json.is_object()) fail("{} should be a JSON object, but is {}", where, json.type_name());
}

const nlohmann::json* JsonFields::find(const char* name) const {
  const auto found = json_->find(name);
  return found == json_->end() || found->is_null() ? nullptr : &*found;
}

std::optional<int64_t> JsonFields::integer(const char* name, Bounds<int64_t> bounds) const {
  const nlohmann::json* value = find(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_number_integer()) fail_type(*where_, name, "a whole number", *value);
  // Above 2^63 the library keeps an unsigned number.
  const bool is_huge =
      value->is_number_unsigned() && value->get<uint64_t>() > static_cast<uint64_t>(INT64_MAX);
  if (is_huge || value->get<int64_t>() < bounds.low || value->get<int64_t>() > bounds.high)
    fail("{}: \"{}\" is {}, outside of {} to {}", *where_, name, value->dump(), bounds.low, bounds.high);
  return value->get<int64_t>();
}

std::optional<double> JsonFields::number(const char* name, Bounds<double> bounds) const {
  const nlohmann::json* value = find(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_number()) fail_type(*where_, name, "a number", *value);
  const double number = value->get<double>();
  if (!(number >= bounds.low && number <= bounds.high))
    fail("{}: \"{}\" is {}, outside of {} to {}", *where_, name, value->dump(), bounds.low, bounds.high);
  return number;
}

std::optional<bool> JsonFields::boolean(const char* name) const {
  const nlohmann::json* value = find(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_boolean()) fail_type(*where_, name, "true or false", *value);
  return value->get<bool>();
}

std::optional<std::string> JsonFields::string(const char* name) const {
  const nlohmann::json* value = find(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_string()) fail_type(*where_, name, "a string", *value);
  return value->get<std::string>();
}

int64_t JsonFields::required_integer(const char* name, Bounds<int64_t> bounds) const {
  const std::optional<int64_t> value = integer(name, bounds);
  if (!value) fail("{}: \"{}\" is missing", *where_, name);
  return *value;
}

double JsonFields::required_number(const char* name, Bounds<double> bounds) const {
  const std::optional<double> value = number(name, bounds);
  if (!value) fail("{}: \"{}\" is missing", *where_, name);
  return *value;
}

}  // namespace poro
