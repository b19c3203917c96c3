// One rendering of a template.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "text/jinja/ast.h"
#include "text/jinja/runtime.h"

namespace poro::jinja {

// Later ones win.
using RenderVariables = std::vector<std::pair<std::string, const nlohmann::ordered_json*>>;

// The text, and what generation blocks wrote of it. Throws Error that names the line.
Output render(const Template& parsed, const RenderVariables& variables);

}  // namespace poro::jinja
