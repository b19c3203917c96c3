// Many short lines in, as many out, by all threads: they take turns at reading a block of lines and at
// writing its answers, in the order of the input, and work on their blocks in between. A block is what one
// read gives, so that a program that writes a line and waits for its answer gets it.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/threads.h"

namespace poro {

// Appends the answer to one line, without a newline. At least kLinePadding bytes behind the line may be read,
// not written. Throws Error for a line that is not as it should be.
using LineAnswer = std::function<void(std::string_view line, std::string& out)>;
constexpr size_t kLinePadding = 64;

// Answers every line of file descriptor `input` that is not blank on standard output; each thread has a
// LineAnswer of its own. A line that fails is answered {"error": ...}, and the first failure is thrown at the
// very end.
void answer_line_blocks(int input, ThreadPool& pool, const std::function<LineAnswer()>& make_answer);

// All that a file descriptor gives.
std::string read_to_end(int input);

}  // namespace poro
