// TOML, the language of recipes, read into JSON and written from it: one tree serves files, flags, logs and
// checkpoints.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace poro {

// The document as an object, keys in the file's order. Throws Error naming `where` and the line; dates are
// none of ours.
nlohmann::ordered_json parse_toml(std::string_view text, const std::string& where);

// One value as TOML spells it (3e-4, true, "text", [1, 2]); what is not TOML is taken as a bare string.
nlohmann::ordered_json parse_toml_value(std::string_view text);

// An object as a document: plain keys first, then each object as a [section]; objects in arrays are inline
// tables.
std::string to_toml(const nlohmann::ordered_json& object);

}  // namespace poro
