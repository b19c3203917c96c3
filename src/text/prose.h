// A document as a translator sees it: what is put into other words, and what stays as it is. Cut at blank
// lines, then at list items, headings, quotes and table cells; code blocks, indentation and markers stay.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace poro {

struct ProsePiece {
  enum class Kind { kKept, kProse };
  Kind kind = Kind::kKept;
  std::string text = {};    // Of the document, as it stands there; prose neither begins nor ends with space.
  size_t line = 0;          // Of the document, from 1.
  size_t columns = 0;       // Prose that was wrapped: its widest line, and below what its further lines begin
  std::string indent = {};  // with. 0: prose of one line, which stays one.
};

// The texts of the pieces, one after the other, are the document. `document` is valid UTF-8.
std::vector<ProsePiece> split_prose(std::string_view document);

// The words of the prose with one space between them, for a translator.
std::string sentence_of(const ProsePiece& piece);

// `text`, in the place of the prose of `piece`: on one line, or wrapped as the piece was.
std::string laid_out(std::string_view text, const ProsePiece& piece);

}  // namespace poro
