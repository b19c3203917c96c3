#include "infer/sampler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>

#include "base/error.h"

namespace poro {
namespace {

using Json = nlohmann::ordered_json;
constexpr double kInfinity = std::numeric_limits<double>::infinity();

template <class T>
Tensor view(std::vector<T>& values) {
  return {.data = reinterpret_cast<std::byte*>(values.data()),
          .dtype = DTypeOf<T>::value,
          .shape = {static_cast<int64_t>(values.size())}};
}

std::vector<double> probabilities(std::vector<double> logits, const SamplingParameters& parameters,
                                  const std::vector<int32_t>& previous = {}) {
  Sampler sampler(parameters);
  for (const int32_t id : previous) sampler.add_generated(id);
  const auto left = sampler.distribution(view(logits));
  std::vector<double> all(logits.size(), 0.0);
  for (size_t i = 0; i < left.ids.size(); ++i) all[static_cast<size_t>(left.ids[i])] = left.probabilities[i];
  return all;
}

std::vector<double> random_logits(size_t count, double deviation, uint64_t seed = 1) {
  Random random(seed);
  std::vector<double> logits(count);
  for (double& logit : logits)
    logit = deviation * std::sqrt(-2 * std::log(1 - random.uniform())) *
            std::cos(6.283185307179586 * random.uniform());
  return logits;
}

// The same stages as sorts and masks over the whole vocabulary, one after the other, as their definitions
// read.
std::vector<double> by_definition(std::vector<double> x, const SamplingParameters& p) {
  const size_t n = x.size();
  const auto softmax = [](const std::vector<double>& values) {
    const double highest = *std::max_element(values.begin(), values.end());
    std::vector<double> result;
    double sum = 0;
    for (const double value : values) sum += result.emplace_back(std::exp(value - highest));
    for (double& value : result) value /= sum;
    return result;
  };
  const auto sorted_by = [n](const std::vector<double>& key) {
    std::vector<size_t> order(n);
    for (size_t i = 0; i < n; ++i) order[i] = i;
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return key[a] < key[b]; });
    return order;
  };
  for (double& value : x) value /= p.temperature;
  if (p.top_k > 0 && static_cast<size_t>(p.top_k) < n) {
    const double least = x[sorted_by(x)[n - static_cast<size_t>(p.top_k)]];
    for (double& value : x) value = value < least ? -kInfinity : value;
  }
  if (p.top_p < 1) {
    const auto order = sorted_by(x);
    const auto share = softmax(x);
    double sum = 0;
    for (size_t i = 0; i + 1 < n; ++i)
      if ((sum += share[order[i]]) <= 1 - p.top_p) x[order[i]] = -kInfinity;
  }
  if (p.min_p > 0) {
    const auto share = softmax(x);
    const double least = p.min_p * *std::max_element(share.begin(), share.end());
    for (size_t i = 0; i < n; ++i) x[i] = share[i] < least ? -kInfinity : x[i];
  }
  if (p.typical_p < 1) {
    const auto share = softmax(x);
    double entropy = 0;
    for (const double q : share) entropy -= q > 0 ? q * std::log(q) : 0;
    std::vector<double> distance;
    for (const double q : share) distance.push_back(std::abs(-std::log(q) - entropy));
    const auto order = sorted_by(distance);
    size_t last = 0;
    for (double sum = 0; last + 1 < n && (sum += share[order[last]]) < p.typical_p;) ++last;
    const double farthest = distance[order[last]];
    for (size_t i = 0; i < n; ++i) x[i] = distance[i] > farthest ? -kInfinity : x[i];
  }
  return softmax(x);
}

TEST(Sampler, Goldens) {
  const char* folder = std::getenv("PORO_GOLDENS");
  if (folder == nullptr) GTEST_SKIP() << "PORO_GOLDENS does not name the folder of sampling.json";
  std::ifstream file(std::string(folder) + "/sampling.json");
  const Json cases = Json::parse(file);
  ASSERT_GT(cases.size(), 10u);
  for (const Json& c : cases) {
    SamplingParameters parameters;
    for (const auto& [name, value] : c["parameters"].items())
      set_parameter(parameters, *find_sampling_field(name), value);
    const auto ours = probabilities(c["logits"], parameters, c["previous_ids"]);
    const std::vector<double> theirs = c["probabilities"];
    ASSERT_EQ(ours.size(), theirs.size());
    for (size_t i = 0; i < ours.size(); ++i)
      EXPECT_NEAR(ours[i], theirs[i], 1e-12 + 1e-9 * theirs[i]) << c["parameters"] << " token " << i;
  }
}

TEST(Sampler, AgreesWithTheDefinitionsAtEverySize) {
  const SamplingParameters settings[] = {
      {.top_k = 1},
      {.top_k = 40},
      {.top_p = 0.9},
      {.temperature = 0.6, .top_p = 0.9},
      {.temperature = 5, .top_p = 0.99},
      {.min_p = 0.05},
      {.typical_p = 0.2},
      {.temperature = 3, .typical_p = 0.95},
      {.temperature = 2, .top_k = 500, .top_p = 0.8, .min_p = 0.01, .typical_p = 0.9},
  };
  for (const size_t size : {1u, 2u, 63u, 64u, 65u, 1000u, 20000u})
    for (const double deviation : {0.0, 0.01, 2.0, 100.0})
      for (const SamplingParameters& parameters : settings) {
        const auto logits = random_logits(size, deviation, size);
        const auto ours = probabilities(logits, parameters), theirs = by_definition(logits, parameters);
        for (size_t i = 0; i < size; ++i)
          ASSERT_NEAR(ours[i], theirs[i], 1e-12)
              << size << " tokens, deviation " << deviation << ", token " << i;
      }
}

TEST(Sampler, TiesFollowTheDefinitions) {
  EXPECT_EQ(probabilities({1, 3, 3, 0}, {.top_k = 1}), (std::vector<double>{0, 0.5, 0.5, 0}));
  EXPECT_EQ(probabilities({2, 2, 2, 2}, {.top_p = 0.5}), (std::vector<double>{0, 0, 0.5, 0.5}));
  EXPECT_EQ(probabilities({1, 3, 3, 0}, {.temperature = 0}), (std::vector<double>{0, 1, 0, 0}));
}

TEST(Sampler, InfiniteLogitsAreTheLimit) {
  EXPECT_EQ(probabilities({-kInfinity, 0, 0}, {}), (std::vector<double>{0, 0.5, 0.5}));
  EXPECT_EQ(probabilities({kInfinity, 0, kInfinity, 1e308}, {.top_p = 0.9}),
            (std::vector<double>{0.5, 0, 0.5, 0}));
  EXPECT_EQ(probabilities({-1e308, 1e308, 0}, {.temperature = 1e-300, .top_p = 0.9}),
            (std::vector<double>{0, 1, 0}));
  EXPECT_THROW(probabilities({-kInfinity, -kInfinity}, {}), Error);
  EXPECT_THROW(probabilities({0, std::nan("")}, {}), Error);
  EXPECT_THROW(probabilities({0, std::nan("")}, {.temperature = 0}), Error);
}

TEST(Sampler, PenaltiesLookBackOnTheRightTokens) {
  std::vector<double> logits = {1, 1, 1, -1};
  Sampler sampler(
      {.temperature = 0.5, .repetition_penalty = 2, .presence_penalty = 0.25, .frequency_penalty = 0.5});
  const std::vector<int32_t> prompt = {0, 0, 3};
  sampler.add_prompt(prompt);
  sampler.add_generated(1);
  sampler.add_generated(1);
  const auto left = sampler.distribution(view(logits));
  const double expected[] = {0.5, 0.5 - 0.25 - 2 * 0.5, 1, -2};  // Then divided by the temperature.
  for (size_t i = 0; i < 4; ++i)
    EXPECT_NEAR(std::log(left.probabilities[i] / left.probabilities[2]), 2 * (expected[i] - expected[2]),
                1e-12)
        << i;
}

TEST(Sampler, DrawsWhatTheDistributionSays) {
  std::vector<double> logits = {std::log(0.5), -kInfinity, std::log(0.3), std::log(0.2)};
  std::map<int32_t, int> counts;
  Sampler sampler({.seed = 7});
  constexpr int kDraws = 40000;
  for (int i = 0; i < kDraws; ++i) ++counts[sampler.next(view(logits))];
  EXPECT_EQ(counts.count(1), 0u);
  EXPECT_NEAR(counts[0], 0.5 * kDraws, 500);  // Five standard deviations.
  EXPECT_NEAR(counts[2], 0.3 * kDraws, 460);
  EXPECT_NEAR(counts[3], 0.2 * kDraws, 400);
}

TEST(Sampler, ASeedIsAText) {
  auto logits = random_logits(1000, 2);
  const auto draw = [&](uint64_t seed) {
    Sampler sampler({.top_p = 0.95, .seed = seed});
    std::vector<int32_t> ids(50);
    for (int32_t& id : ids) id = sampler.next(view(logits));
    return ids;
  };
  EXPECT_EQ(draw(1), draw(1));
  EXPECT_NE(draw(1), draw(2));
}

// Some of the likeliest tokens, as a device finds them.
class Likely {
 public:
  Likely(const std::vector<float>& logits, double temperature, size_t places) {
    std::vector<int32_t> order(logits.size());
    for (size_t i = 0; i < order.size(); ++i) order[i] = static_cast<int32_t>(i);
    const auto at = [&](int32_t id) { return logits[static_cast<size_t>(id)]; };
    std::ranges::stable_sort(order, [&](int32_t a, int32_t b) { return at(a) > at(b); });
    const double highest = logits[static_cast<size_t>(order[0])];
    for (const int32_t id : order)
      total_ += std::exp((logits[static_cast<size_t>(id)] - highest) / temperature);
    order.resize(std::min(places, order.size()));
    for (const int32_t id : order) ids_.push_back(id), logits_.push_back(logits[static_cast<size_t>(id)]);
    vocab_ = std::ssize(logits);
  }
  LikelyTokens tokens() const { return {.ids = ids_, .logits = logits_, .total = total_, .vocab = vocab_}; }

 private:
  std::vector<int32_t> ids_;
  std::vector<float> logits_;
  double total_ = 0;
  int64_t vocab_ = 0;
};

TEST(Sampler, AFewTokensGiveTheTextThatAllGive) {
  const SamplingParameters cases[] = {
      {.temperature = 0, .seed = 1},
      {.temperature = 0.7, .top_p = 0.9, .seed = 2},
      {.temperature = 1.3, .top_k = 50, .seed = 3},
      {.temperature = 0.7, .top_k = 40, .top_p = 0.8, .min_p = 0.01, .seed = 4},
      {.temperature = 0.9, .min_p = 0.02, .seed = 5},
      {.temperature = 0.5, .top_p = 0.95, .min_p = 0.01, .seed = 6}};
  for (const SamplingParameters& parameters : cases) {
    Sampler from_all(parameters), from_few(parameters);
    int64_t times_few = 0;
    for (uint64_t step = 0; step < 400; ++step) {
      const std::vector<double> wide = random_logits(3000, 4, step + 1);
      std::vector<float> logits(wide.begin(), wide.end());
      const Likely few(logits, parameters.temperature == 0 ? 1 : parameters.temperature, 300);
      const std::optional<int32_t> id = from_few.next(few.tokens());
      times_few += id ? 1 : 0;
      ASSERT_EQ(id ? *id : from_few.next(view(logits)), from_all.next(view(logits)))
          << parameters.seed << ", step " << step;
    }
    EXPECT_GT(times_few, 350) << parameters.seed;
  }
}

TEST(Sampler, KnowsWhenAFewTokensAreNotEnough) {
  const std::vector<double> wide = random_logits(3000, 0.1);
  const std::vector<float> flat(wide.begin(), wide.end());
  const Likely few(flat, 1, 100);
  for (const SamplingParameters& parameters :
       {SamplingParameters{.top_p = 0.9}, SamplingParameters{.top_k = 101}, SamplingParameters{.min_p = 0.5},
        SamplingParameters{}, SamplingParameters{.top_p = 0.5, .typical_p = 0.9},
        SamplingParameters{.top_k = 5, .repetition_penalty = 1.1},
        SamplingParameters{.top_k = 5, .presence_penalty = 0.1},
        SamplingParameters{.top_k = 5, .frequency_penalty = 0.1}})
    EXPECT_EQ(Sampler(parameters).next(few.tokens()), std::nullopt);
  EXPECT_TRUE(Sampler({.top_k = 100}).next(few.tokens()).has_value());
  EXPECT_EQ(Sampler({.top_k = 5}).next(LikelyTokens{.ids = {}, .logits = {}, .vocab = 3000}), std::nullopt);
}

TEST(Sampler, KeepsUpWithTheModel) {
  std::vector<float> logits;
  for (const double logit : random_logits(128256, 2.5)) logits.push_back(static_cast<float>(logit));
  const SamplingParameters settings[] = {{.temperature = 0},
                                         {.temperature = 0.6, .top_p = 0.9},
                                         {.temperature = 1, .top_k = 50, .top_p = 0.9},
                                         {.typical_p = 0.95}};
  for (const SamplingParameters& parameters : settings) {
    Sampler sampler(parameters);
    sampler.next(view(logits));
    constexpr int kRuns = 20;
    const std::clock_t start = std::clock();
    for (int i = 0; i < kRuns; ++i) sampler.next(view(logits));
    const double ms = 1e3 * static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC / kRuns;
    std::printf("temperature %g, top_k %d, top_p %g, typical_p %g: %.3f ms\n", parameters.temperature,
                static_cast<int>(parameters.top_k), parameters.top_p, parameters.typical_p, ms);
    EXPECT_LT(ms, 100);  // A full sort at every stage would show; the speed itself is in docs/performance.md.
  }
}

TEST(SamplingParameters, RefusesWhatMakesNoSense) {
  const std::pair<const char*, const char*> bad[] = {{"temperature", "-0.1"},
                                                     {"top_k", "-1"},
                                                     {"top_k", "1.5"},
                                                     {"top_p", "0"},
                                                     {"top_p", "1.1"},
                                                     {"min_p", "-0.1"},
                                                     {"min_p", "1.1"},
                                                     {"typical_p", "0"},
                                                     {"repetition_penalty", "0"},
                                                     {"seed", "-1"},
                                                     {"seed", "0.5"},
                                                     {"top_p", "\"x\""},
                                                     {"temperature", "1e999"},
                                                     {"presence_penalty", "null"}};
  for (const auto& [name, text] : bad) {
    SamplingParameters parameters;
    try {
      set_parameter(parameters, *find_sampling_field(name), std::string(text));
      ADD_FAILURE() << name << " " << text;
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find(name), std::string::npos) << error.what();
    }
  }
  SamplingParameters parameters;
  set_parameter(parameters, *find_sampling_field("seed"), std::string("18446744073709551615"));
  EXPECT_EQ(parameters.seed, UINT64_MAX);
  EXPECT_EQ(parameter_text(parameters, *find_sampling_field("top_p")), "1");
}

}  // namespace
}  // namespace poro
