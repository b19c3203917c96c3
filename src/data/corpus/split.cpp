#include "data/corpus/split.h"

namespace poro {

void SplitStep::judge(Document& document) const {
  const auto work = document.fields.find("document");
  const std::string key = work != document.fields.end() ? work->dump() : joined_text(document);
  const double place = static_cast<double>(hash_bytes(key, options_.seed) >> 11) * 0x1.0p-53;
  document.part = place < options_.held_out ? 1 : 0;
}

}  // namespace poro
