// Which variable a name means. Jinja2 compiles a template to Python functions and its rules of scope follow
// from that: a name is looked up among the render variables when the scope that uses it begins, a `set` stays
// inside its loop, a macro sees the variables around it as they are when it runs. This pass applies the same
// rules and turns every name into a slot.
#pragma once

#include "text/jinja/ast.h"

namespace poro::jinja {

// Also binds filters and tests to their functions. Throws Error for one that does not exist, and for break
// outside a loop.
void resolve_names(Template& parsed);

}  // namespace poro::jinja
