// The small files that make weights a model one can talk with: tokenizer, chat template, generation settings,
// licence. A model that is made from another takes them along.
#pragma once

#include <filesystem>

namespace poro {

// Copies those that `from` has into `to`, each atomically. Throws Error.
void copy_companions(const std::filesystem::path& from, const std::filesystem::path& to);

}  // namespace poro
