#include "text/prose.h"

#include <gtest/gtest.h>

namespace poro {
namespace {

using Texts = std::vector<std::string>;

Texts prose_of(std::string_view document) {
  Texts prose;
  std::string whole;
  for (const ProsePiece& piece : split_prose(document)) {
    if (piece.kind == ProsePiece::Kind::kProse) prose.push_back(sentence_of(piece));
    whole += piece.text;
  }
  EXPECT_EQ(whole, document);  // Whatever the cuts, nothing is lost.
  return prose;
}

// The document with every piece of prose in angle brackets.
std::string marked(std::string_view document) {
  std::string result;
  for (const ProsePiece& piece : split_prose(document))
    result +=
        piece.kind == ProsePiece::Kind::kKept ? piece.text : laid_out("<" + sentence_of(piece) + ">", piece);
  return result;
}

TEST(Prose, CutsAtBlankLinesAndKeepsThem) {
  EXPECT_EQ(marked("One.\n\n\n  Two. \r\n\r\nThree."), "<One.>\n\n\n  <Two.> \r\n\r\n<Three.>");
  EXPECT_EQ(marked(""), "");
  EXPECT_EQ(marked("\n\n"), "\n\n");
  EXPECT_EQ(marked("* * *\n---\n42\n"), "* * *\n---\n42\n");
}

TEST(Prose, KeepsMarkersOfListsHeadingsQuotesAndTables) {
  EXPECT_EQ(marked("# Head #1\n- one\n  * two\n10. ten\n3) three\n- [ ] task\n> > said\n-dash\n1.5 kg\n"),
            "# <Head #1>\n- <one>\n  * <two>\n10. <ten>\n3) <three>\n- [ ] <task>\n> > <said>\n<-dash>\n<1.5 "
            "kg>\n");
  EXPECT_EQ(marked("| a | b c |\n|---|:-:|\n| 1 | ä"), "| <a> | <b c> |\n|---|:-:|\n| 1 | <ä>");
}

TEST(Prose, KeepsCode) {
  EXPECT_EQ(marked("Look:\n```py\nx = 'word'\n```` not closed\n```\nDone\n"),
            "<Look:>\n```py\nx = 'word'\n```` not closed\n```\n<Done>\n");
  EXPECT_EQ(marked("~~~\nword\n```\n~~~~\nDone"), "~~~\nword\n```\n~~~~\n<Done>");
  EXPECT_EQ(marked("```\nnever closed"), "```\nnever closed");
  EXPECT_EQ(marked("```inline``` code"), "<```inline``` code>");
  EXPECT_EQ(marked("- item\n  ```\n  code\n  ```\n  more"), "- <item>\n  ```\n  code\n  ```\n  <more>");
  EXPECT_EQ(marked("Text:\n\n    int x;\n    int y;\n\nEnd"), "<Text:>\n\n    int x;\n    int y;\n\n<End>");
  EXPECT_EQ(marked("- item\n\n    its second paragraph"), "- <item>\n\n    <its second paragraph>");
}

constexpr const char* kWrapped =
    "A paragraph that was broken over several lines, because it\n"
    "is wider than the page that somebody once had in mind for\n"
    "it.\n";

TEST(Prose, TakesLinesThatWereWrappedAsOneSentence) {
  EXPECT_EQ(prose_of(kWrapped), Texts{"A paragraph that was broken over several lines, because it is wider "
                                      "than the page that somebody once "
                                      "had in mind for it."});
  const std::vector<ProsePiece> pieces = split_prose(kWrapped);
  ASSERT_EQ(pieces.size(), 2u);  // And the line's end.
  EXPECT_EQ(laid_out(sentence_of(pieces[0]), pieces[0]) + "\n", kWrapped);
  EXPECT_EQ(prose_of("Short lines\nof a poem\nstay lines"),
            (Texts{"Short lines", "of a poem", "stay lines"}));
  EXPECT_EQ(prose_of("A line that is wide enough to have been wrapped, I would think  \nbut is not").size(),
            2u);
  EXPECT_EQ(prose_of("A line that is wide enough to have been wrapped, I would think\n- an item").size(), 2u);
}

TEST(Prose, WrapsQuotesAndItemsAsTheyWere) {
  const std::string quote =
      "> A quote that was broken over two lines, because it is too\n"
      "> wide for one.\n";
  EXPECT_EQ(prose_of(quote),
            Texts{"A quote that was broken over two lines, because it is too wide for one."});
  const std::string item =
      "- An item that was broken over two lines, because it is too\n"
      "  wide for one.\n";
  for (const std::string& document : {quote, item}) {
    std::string again;
    for (const ProsePiece& piece : split_prose(document))
      again += piece.kind == ProsePiece::Kind::kKept ? piece.text : laid_out(sentence_of(piece), piece);
    EXPECT_EQ(again, document);
  }
}

TEST(Prose, NamesTheLineWhereAPieceBegins) {
  std::vector<size_t> lines;
  for (const ProsePiece& piece : split_prose("One\n\n" + std::string(kWrapped) + "\nTwo")) {
    if (piece.kind == ProsePiece::Kind::kProse) lines.push_back(piece.line);
  }
  EXPECT_EQ(lines, (std::vector<size_t>{1, 3, 7}));
}

TEST(Prose, OneLineStaysOneLine) {
  EXPECT_EQ(laid_out("two\nlines  of\ttext ", ProsePiece{}), "two lines of text");
}

}  // namespace
}  // namespace poro
