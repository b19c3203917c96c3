// JSON from outside, read field by field; whatever is not as expected becomes a sentence that names the file
// and the field.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace poro {

// Throws Error naming `where` for text that is not one JSON value in UTF-8.
nlohmann::json parse_json(std::string_view text, const std::string& where);

// What an untrusted text becomes inside a sentence: control characters escaped, at most 100 bytes.
std::string quote(std::string_view text);

template <class T>
struct Bounds {
  T low, high;
};

// The fields of one JSON object. A field that is null counts as absent, as in the Python libraries that write
// these files.
class JsonFields {
 public:
  // Throws Error if `json` is no object. Both must outlive the view.
  JsonFields(const nlohmann::json& json, const std::string& where);

  // The value, or nullptr when absent.
  const nlohmann::json* find(const char* name) const;
  // Each returns nothing when the field is absent and throws Error when it is of another type or out of
  // bounds.
  std::optional<int64_t> integer(const char* name, Bounds<int64_t> bounds) const;
  std::optional<double> number(const char* name, Bounds<double> bounds) const;
  std::optional<bool> boolean(const char* name) const;
  std::optional<std::string> string(const char* name) const;

  int64_t required_integer(const char* name, Bounds<int64_t> bounds) const;
  double required_number(const char* name, Bounds<double> bounds) const;

  const std::string& where() const { return *where_; }

 private:
  const nlohmann::json* json_;
  const std::string* where_;
};

}  // namespace poro
