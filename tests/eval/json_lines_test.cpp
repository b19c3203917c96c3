#include "eval/json_lines.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "tests/eval/eval_data.h"

namespace poro {
namespace {

TEST(JsonLines, BrokenAndBlankLinesAreCounted) {
  const TemporaryFolder folder;
  const JsonLines lines =
      read_json_lines(folder.write("a.jsonl", "{\"a\": 1}\n\n[1]\n{\"a\": \r\n{\"a\": 2}\r\n{\"a\""));
  EXPECT_EQ(lines.lines.size(), 2u);
  EXPECT_EQ(lines.lines[1].number, 5u);
  EXPECT_EQ(lines.num_blank, 1u);
  EXPECT_EQ(lines.broken.size(), 3u);
}

TEST(JsonLines, WhatPythonWritesIsUnderstood) {
  const TemporaryFolder folder;
  const JsonLines lines = read_json_lines(
      folder.write("a.jsonl",
                   "{\"a\": NaN, \"b\": [-Infinity, Infinity], \"c\": \"NaN \\\" \\\\\"}\n"
                   "{\"a\": \"x\\ud83dy\", \"b\": \"\\ud83d\\ude00\", \"c\": \"\\udE00\\ud83d\"}\n"
                   "{\"a\": 1, \"a\": 2}\n"));
  ASSERT_EQ(lines.lines.size(), 3u);
  EXPECT_TRUE(lines.lines[0].json["a"].is_null());
  EXPECT_TRUE(lines.lines[0].json["b"][0].is_null());
  EXPECT_EQ(lines.lines[0].json["c"], "NaN \" \\");
  EXPECT_EQ(lines.lines[1].json["a"], "x\uFFFDy");
  EXPECT_EQ(lines.lines[1].json["b"], "\U0001F600");
  EXPECT_EQ(lines.lines[1].json["c"], "\uFFFD\uFFFD");
  EXPECT_EQ(lines.lines[2].json["a"], 2);
  EXPECT_EQ(read_json(folder.write("b.json", "[{\"preference\": NaN}]")).size(), 1u);
}

// Three rows as DuckDB writes them, with a list, a list of structs and a null; in hexadecimal.
constexpr std::string_view kRows =
    "504152311500152415362c1506150015061506000028b52ffd2012910000020000000601000000000100000002000000"
    "1500158a01156c2c1506150015061506000028b52ffd20456d01004402020000000601110000004b7973796d79732022"
    "30222c20c3a4c3b63132222c20c3a4c3b602008016e331c7150015a80115622c1506150015061506000028b52ffd2054"
    "450100f8020000000600031400000070756e6374756174696f6e3a6e6f5f636f6d6d610200b53346da02071500151815"
    "2a2c1506150015061506000028b52ffd200c6100000200000006000200000006031500156015482c1506150015061506"
    "000028b52ffd2030dd00009802000000060004080000006174206c6561737402002fe0472845150219bc3500180d6475"
    "636b64625f736368656d611508001502250218036b6579252200150c2502180670726f6d707425000035021813696e73"
    "7472756374696f6e5f69645f6c6973741502150600350418046c697374150200150c25021807656c656d656e74250000"
    "350218066b77617267731502150600350418046c69737415020035021807656c656d656e741504001502250218096e75"
    "6d5f776f726473252200150c2502180872656c6174696f6e2500001606191c195c26001c15021915001918036b657915"
    "0c16061646165826083c1804020000001804000000001600280402000000180400000000111100000026001c150c1915"
    "0019180670726f6d7074150c160616ae0116900126603c18114b7973796d7973202232222c20c3a4c3b618114b797379"
    "6d7973202230222c20c3a4c3b6160028114b7973796d7973202232222c20c3a4c3b618114b7973796d7973202230222c"
    "20c3a4c3b6111100000026001c150c191500193813696e737472756374696f6e5f69645f6c697374046c69737407656c"
    "656d656e74150c160616cc0116860126f0013c181470756e6374756174696f6e3a6e6f5f636f6d6d61181470756e6374"
    "756174696f6e3a6e6f5f636f6d6d61381470756e6374756174696f6e3a6e6f5f636f6d6d61181470756e637475617469"
    "6f6e3a6e6f5f636f6d6d61111100000026001c15021915001948066b7761726773046c69737407656c656d656e74096e"
    "756d5f776f726473150c1606163a164c26f602000026001c150c1915001948066b7761726773046c69737407656c656d"
    "656e740872656c6174696f6e150c1606168201166a26c2033c18086174206c6561737418086174206c65617374380861"
    "74206c6561737418086174206c65617374111100000016fc041606260816a4040028284475636b44422076657273696f"
    "6e2076312e342e3420286275696c6420366464616338303266662900c602000050415231";

std::string bytes_of(std::string_view hexadecimal) {
  std::string bytes;
  for (size_t i = 0; i < hexadecimal.size(); i += 2)
    bytes += static_cast<char>(std::stoi(std::string(hexadecimal.substr(i, 2)), nullptr, 16));
  return bytes;
}

std::string error_of(const std::string& path) {
  try {
    read_json_lines(path);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(JsonLines, ParquetRowsAreReadInTheirOrder) {
  const TemporaryFolder folder;
  const std::string path = folder.write("it's rows.parquet", bytes_of(kRows));
  if (error_of(path).find("tools/install-duckdb") != std::string::npos)
    GTEST_SKIP() << "built without DuckDB; tools/install-duckdb brings it";
  const JsonLines lines = read_whole_json_lines(path);
  ASSERT_EQ(lines.lines.size(), 3u);
  for (size_t i = 0; i < 3; ++i) EXPECT_EQ(lines.lines[i].json["key"], i);
  EXPECT_EQ(lines.lines[2].json["prompt"], "Kysymys \"2\", äö");
  EXPECT_TRUE(lines.lines[0].json["kwargs"][0]["num_words"].is_null());
  EXPECT_EQ(lines.lines[0].json["kwargs"][0]["relation"], "at least");
  EXPECT_EQ(lines.lines[0].json["instruction_id_list"][0], "punctuation:no_comma");
}

TEST(JsonLines, ParquetThatCannotBeReadIsOneSentence) {
  const TemporaryFolder folder;
  const std::string what = error_of(folder.write("half.parquet", "PAR1 and no more"));
  EXPECT_NE(what.find("half.parquet"), std::string::npos) << what;
  EXPECT_TRUE(what.find("cannot be read as Parquet") != std::string::npos ||
              what.find("tools/install-duckdb") != std::string::npos)
      << what;
}

}  // namespace
}  // namespace poro
