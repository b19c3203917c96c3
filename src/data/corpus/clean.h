// The cleaning step: one spelling of every character and every gap. Unicode normalisation form C; line ends
// are \n; control, format, private and unassigned characters go (soft hyphens and zero-width marks among
// them); every kind of space is a space, runs of them one; no spaces at line ends, no more than one blank
// line; nothing at the text's ends. Spaces at the start of a line stay: they are the layout of code and
// lists.
#pragma once

#include "data/corpus/step.h"

namespace poro {

std::string clean_text(std::string_view text);

class CleanStep final : public DataStep {
 public:
  // A document whose text is empty afterwards is removed.
  void judge(Document& document) const override;
};

}  // namespace poro
