// Learning rates, against transformers' own and at the places where a schedule turns.
#include "train/schedule.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "base/file.h"

namespace poro {
namespace {

TEST(Schedule, GivesTheRatesOfTransformers) {
  const char* goldens = std::getenv("PORO_GOLDENS");
  if (goldens == nullptr) GTEST_SKIP() << "set PORO_GOLDENS to the folder with schedules.json";
  const auto table = nlohmann::json::parse(read_file(std::filesystem::path(goldens) / "schedules.json"));
  ASSERT_FALSE(table.empty());
  for (const auto& row : table) {
    const std::string kind = row.at("kind");
    const Schedule schedule{.kind = kind == "linear"   ? ScheduleKind::kLinear
                                    : kind == "cosine" ? ScheduleKind::kCosine
                                                       : ScheduleKind::kConstant,
                            .peak = row.at("peak"),
                            .total_steps = row.at("total_steps"),
                            .warmup_steps = row.at("warmup_steps")};
    for (const auto& [step, rate] : row.at("lr_at_step").items())
      EXPECT_NEAR(schedule(std::stoll(step)), rate.get<double>(), 1e-15) << kind << " " << step;
  }
}

TEST(Schedule, FallsToItsFloorAndNoFurther) {
  for (const auto& choice : choices(ScheduleKind{})) {
    const Schedule schedule{.kind = choice.value,
                            .peak = 2,
                            .floor = 0.5,
                            .total_steps = 100,
                            .warmup_steps = 10,
                            .decay_steps = 20};
    EXPECT_EQ(schedule(0), 0) << choice.name;
    EXPECT_EQ(schedule(10), 2) << choice.name;
    EXPECT_EQ(schedule(100), choice.value == ScheduleKind::kConstant ? 2 : 0.5) << choice.name;
    EXPECT_EQ(schedule(500), schedule(100)) << choice.name;
    for (int64_t step = 10; step < 100; ++step) EXPECT_GE(schedule(step), schedule(step + 1)) << choice.name;
  }
}

TEST(Schedule, OfWsdStaysUntilTheDecayBegins) {
  const Schedule schedule{
      .kind = ScheduleKind::kWsd, .peak = 1, .total_steps = 100, .warmup_steps = 0, .decay_steps = 20};
  EXPECT_EQ(schedule(0), 1);
  EXPECT_EQ(schedule(80), 1);
  EXPECT_DOUBLE_EQ(schedule(90), 0.5);
}

}  // namespace
}  // namespace poro
