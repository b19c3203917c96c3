// A struct's one list of fields, read from TOML and written back.
#include "base/config.h"

#include <gtest/gtest.h>

#include "base/toml.h"

namespace poro {
namespace {

enum class Colour { kRed, kDeepBlue };
constexpr std::array<Choice<Colour>, 2> choices(Colour) {
  return {{{"red", Colour::kRed}, {"deep-blue", Colour::kDeepBlue}}};
}

struct Part {
  std::string name;
  double weight = 1;
  std::optional<int64_t> size;
  template <class Visit>
  void fields(Visit&& visit) {
    visit("name", name, "What it is called");
    visit("weight", weight, "How much");
    visit("size", size, "How large");
  }
};

struct Settings {
  int64_t count = 3;
  bool is_on = false;
  Colour colour = Colour::kRed;
  std::optional<double> limit;
  std::array<double, 2> betas = {0.9, 0.999};
  std::vector<Part> parts;
  Part main;
  template <class Visit>
  void fields(Visit&& visit) {
    visit("count", count, "");
    visit("is_on", is_on, "");
    visit("colour", colour, "");
    visit("limit", limit, "");
    visit("betas", betas, "");
    visit("parts", parts, "");
    visit("main", main, "");
  }
};

Settings read(const std::string& toml) {
  Settings settings;
  read_config(parse_toml(toml, "x.toml"), "x.toml", settings);
  return settings;
}

std::string complaint(const std::string& toml) {
  try {
    read(toml);
  } catch (const Error& error) {
    return error.what();
  }
  return "no complaint";
}

TEST(Config, ReadsEveryTypeAndKeepsDefaults) {
  const Settings settings = read(
      "count = 5\ncolour = \"deep-blue\"\nlimit = 2\nbetas = [0.5, 1]\nparts = [{ name = \"ä\" }, { weight = "
      "3e-2 }]\n"
      "[main]\nname = \"m\"\n");
  EXPECT_EQ(settings.count, 5);
  EXPECT_FALSE(settings.is_on);
  EXPECT_EQ(settings.colour, Colour::kDeepBlue);
  EXPECT_EQ(settings.limit, 2.0);
  EXPECT_EQ(settings.betas[0], 0.5);
  ASSERT_EQ(settings.parts.size(), 2u);
  EXPECT_EQ(settings.parts[0].name, "ä");
  EXPECT_EQ(settings.parts[1].weight, 0.03);
  EXPECT_EQ(settings.main.name, "m");
  EXPECT_FALSE(read("").limit.has_value());
}

TEST(Config, WritesWhatItReads) {
  Settings settings =
      read("limit = 1e-8\nparts = [{ name = \"quote \\\" and \\n\" }]\n[main]\nweight = 1e300\n");
  const std::string written = to_toml(config_to_json(settings));
  EXPECT_EQ(config_to_json(read(written)), config_to_json(settings)) << written;
}

TEST(Config, SaysWhatIsWrongAndWhatWasMeant) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"cuont = 5", "x.toml: cuont is no setting; did you mean \"count\"?"},
      {"zzzzzz = 5", "x.toml: zzzzzz is no setting"},
      {"[main]\nwieght = 5", "x.toml: main.wieght is no setting; did you mean \"weight\"?"},
      {"count = 5.5", "x.toml: count is 5.5, not a whole number"},
      {"is_on = 1", "not true or false"},
      {"colour = \"rde\"", "none of red, deep-blue; did you mean \"red\"?"},
      {"betas = [1.0]", "not an array of 2"},
      {"parts = [{ name = 3 }]", "x.toml: parts[0].name is 3, not a string"},
      {"main = 3", "x.toml: main is 3, not a table"},
      {"count = ", "x.toml, line 1"},
      {"count = 1\ncount = 2", "x.toml, line 2"},
      {"count = 2020-01-01", "dates and times"},
  };
  for (const auto& [toml, expected] : cases)
    EXPECT_NE(complaint(toml).find(expected), std::string::npos) << complaint(toml);
}

TEST(Toml, TakesOneValueAsTomlOrAsABareString) {
  EXPECT_EQ(parse_toml_value("3e-4"), 3e-4);
  EXPECT_EQ(parse_toml_value("true"), true);
  EXPECT_EQ(parse_toml_value("[1, 2]").dump(), "[1,2]");
  EXPECT_EQ(parse_toml_value("best-fit"), "best-fit");
  EXPECT_EQ(parse_toml_value("\"3\""), "3");
}

TEST(Toml, KeepsTheOrderOfTheFile) {
  EXPECT_EQ(parse_toml("z = 1\na = 2\n[m]\n[b]\n", "x").dump(), R"({"z":1,"a":2,"m":{},"b":{}})");
}

}  // namespace
}  // namespace poro
