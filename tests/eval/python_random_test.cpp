// The numbers that CPython 3.11 draws.
#include "eval/python_random.h"

#include <gtest/gtest.h>

namespace poro::python {
namespace {

using Indices = std::vector<size_t>;

TEST(PythonRandom, SamplesAsPythonDoes) {
  Random random(1234);
  random.sample({.population = 1119, .count = 25});
  const Indices drawn = random.sample({.population = 1119, .count = 25});
  EXPECT_EQ(Indices(drawn.begin(), drawn.begin() + 6), (Indices{954, 140, 182, 1054, 94, 552}));
  EXPECT_EQ(random.sample({.population = 10, .count = 5}), (Indices{1, 7, 2, 0, 4}));
  EXPECT_EQ(random.sample({.population = 21, .count = 5}), (Indices{6, 4, 0, 11, 3}));
  const Indices many = random.sample({.population = 90, .count = 26});
  EXPECT_EQ(Indices(many.begin(), many.begin() + 5), (Indices{67, 18, 85, 39, 58}));
}

TEST(PythonRandom, TossesTheCoinOfATextAsPythonDoes) {
  Random random("is_switched\xC3\xA4");
  std::vector<bool> tosses;
  for (int i = 0; i < 12; ++i) tosses.push_back(random.coin());
  EXPECT_EQ(tosses, (std::vector<bool>{false, false, true, true, false, true, false, false, false, false,
                                       true, true}));
}

}  // namespace
}  // namespace poro::python
