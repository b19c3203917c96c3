// What one template may use. A template comes with a model, so it is input from outside: whatever it does, it
// ends in bounded time and memory with one sentence. The numbers are far above what any real conversation
// needs.
#pragma once

#include <cstddef>
#include <cstdint>

namespace poro::jinja {

inline constexpr size_t kMaxSourceBytes = size_t{4} << 20;
inline constexpr int kMaxExpressionDepth = 200;   // Operators, brackets and filters inside each other.
inline constexpr int kMaxStatementDepth = 100;    // Blocks inside each other.
inline constexpr int kMaxMacroDepth = 200;        // Macros, callers and recursive loops calling each other.
inline constexpr int kMaxEvaluationDepth = 3000;  // Nodes being evaluated at once, over all macros.
inline constexpr int kMaxValueDepth =
    200;  // Lists and dicts inside each other, when printed, compared or hashed.
// One per node evaluated, item visited, 64 bytes of text copied, or 8 looked at: less than a second in all.
inline constexpr uint64_t kMaxSteps = 10'000'000;
inline constexpr size_t kMaxBytes = size_t{256}
                                    << 20;  // All values made during one rendering, dead ones included.
inline constexpr size_t kMaxOutputBytes = size_t{64} << 20;  // All text written, by macros and blocks too.
inline constexpr int64_t kMaxRange = 100'000;                // As Jinja2's sandbox has it.

}  // namespace poro::jinja
