#include "eval/csv.h"

#include "tests/eval/eval_data.h"

namespace poro {
namespace {

TEST(Csv, ReadsQuotedCellsAcrossLines) {
  const TemporaryFolder folder;
  const Csv csv = read_csv(folder.write("t.csv", "name,text\r\na,\"one, \"\"two\"\"\nthree\"\r\n\r\nb,\n"));
  EXPECT_EQ(csv.header, (std::vector<std::string>{"name", "text"}));
  ASSERT_EQ(csv.rows.size(), 2u);
  EXPECT_EQ(csv.rows[0][1], "one, \"two\"\nthree");
  EXPECT_EQ(csv.rows[1], (std::vector<std::string>{"b", ""}));
}

TEST(Csv, NumbersAndColumnsAreChecked) {
  const TemporaryFolder folder;
  const Csv csv = read_csv(folder.write("t.csv", ",score\nx,-1.5e-3\ny,1.5 \n"));
  EXPECT_EQ(csv.number(0, csv.column("score")), -0.0015);
  EXPECT_THROW(csv.number(1, 1), Error);
  EXPECT_THROW(csv.column("scores"), Error);
}

TEST(Csv, BrokenTablesAreErrors) {
  const TemporaryFolder folder;
  for (const char* content : {"", "a,b\n1\n", "a\n\"open\n", "a\n\"x\"y\n", "a,b\n1,2,3\n"})
    EXPECT_THROW(read_csv(folder.write("t.csv", content)), Error) << content;
}

}  // namespace
}  // namespace poro
