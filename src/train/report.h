// report.html: the curves of a run in one page that opens from disk, without a script or another file.
#pragma once

#include <filesystem>

namespace poro {

// Reads metrics.jsonl, events.jsonl and recipe.toml in the folder and writes report.html there. Throws Error.
void write_report(const std::filesystem::path& run);

}  // namespace poro
