#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include "base/json_file.h"
#include "base/test_folder.h"
#include "evaluation/vector_cache.h"
#include "treble/error.h"
#include "treble/evaluation.h"

namespace treble::internal {
namespace {

namespace fs = std::filesystem;

nlohmann::json expected() { return parse_json_file(std::string(TREBLE_SOURCE_DIR) + "/tests/golden/metrics.json"); }

class Evaluation : public ::testing::Test {
 protected:
  fs::path write(const std::string& name, const std::string& content) const {
    test::write_all(folder_ / name, content);
    return folder_ / name;
  }
  /// The message of the error about `file` that `action` ends with.
  std::string error_of(const fs::path& file, const std::function<void()>& action) const {
    try {
      action();
    } catch (const Error& error) {
      EXPECT_EQ(error.file(), file) << error.what();
      return error.what();
    }
    return "no error";
  }

  test::TestFolder folder_;
};

TEST(Metrics, RankingsEqualTrecEvalTiesIncluded) {
  const auto json = expected();
  std::vector<std::string> ids;
  for (int i = 0; i < 40; ++i) ids.push_back(fmt::format("d{}", i));
  for (std::size_t query = 0; query < json.at("scores").size(); ++query) {
    const auto scores = json.at("scores").at(query).get<std::vector<float>>();
    Judgements relevant;
    for (std::size_t d = 0; d < ids.size(); ++d) {
      const double grade = json.at("grades").at(query).at(d).get<double>();
      if (grade > 0) relevant.emplace_back(static_cast<std::int64_t>(d), grade);
    }
    const auto ranking = rank_documents(scores, ids, 10);
    const auto metrics = ranking_metrics(ranking, relevant, 10);
    EXPECT_NEAR(metrics.ndcg, json.at("ndcg").at(query).get<double>(), 1e-6);
    EXPECT_NEAR(metrics.recall, json.at("recall").at(query).get<double>(), 1e-6);
    EXPECT_NEAR(metrics.average_precision, json.at("map").at(query).get<double>(), 1e-6);
  }
  EXPECT_EQ(ranking_metrics(std::vector<std::int64_t>{0, 1}, {}, 10).ndcg, 0) << "nothing to find";
  EXPECT_EQ(ranking_metrics(std::vector<std::int64_t>{4, 2}, {{2, 1.0}}, 10).reciprocal_rank, 0.5);
}

// As `treble sweep` scores rankings: every candidate of a query ranked, MAP of the whole ranking.
TEST(Metrics, RerankingEqualsMtebsOwnEvaluator) {
  const auto json = expected().at("reranking");
  double mean = 0;
  const auto& queries = json.at("queries");
  for (const auto& query : queries) {
    const auto scores = query.at("scores").get<std::vector<float>>();
    const auto ids = query.at("ids").get<std::vector<std::string>>();
    Judgements relevant;
    for (const auto& document : query.at("relevant")) relevant.emplace_back(document.get<std::int64_t>(), 1.0);
    const auto count = static_cast<std::int64_t>(scores.size());
    const auto ranking = rank_documents(scores, ids, count);
    const auto whole = ranking_metrics(ranking, relevant, count);
    const auto cut = ranking_metrics(ranking, relevant, 10);
    EXPECT_NEAR(whole.average_precision, query.at("map").get<double>(), 1e-6) << query;
    EXPECT_NEAR(cut.ndcg, query.at("ndcg").get<double>(), 1e-6) << query;
    EXPECT_NEAR(cut.reciprocal_rank, query.at("mrr").get<double>(), 1e-6) << query;
    mean += whole.average_precision / static_cast<double>(queries.size());
  }
  EXPECT_NEAR(mean, json.at("map").get<double>(), 1e-5) << "mteb rounds to five digits";
}

TEST(Metrics, CorrelationAndPrecisionEqualScipyAndScikitLearn) {
  const auto json = expected();
  const auto a = json.at("a").get<std::vector<double>>();
  const auto b = json.at("b").get<std::vector<double>>();
  EXPECT_NEAR(spearman(a, b).value(), json.at("spearman").get<double>(), 1e-12);
  EXPECT_NEAR(average_precision(a, json.at("labels").get<std::vector<double>>()).value(),
              json.at("average_precision").get<double>(), 1e-12);
  EXPECT_FALSE(spearman(std::vector<double>{1, 1, 1}, std::vector<double>{1, 2, 3})) << "a constant has no ranks";
  EXPECT_FALSE(average_precision(std::vector<double>{1, 2}, std::vector<double>{0, 0})) << "nothing to find";
}

/// Items with a value for each setting; the metric is their mean.
ItemMetric mean_of(const std::vector<std::vector<double>>& values) {
  return [&values](std::size_t setting, std::span<const std::size_t> items) {
    double sum = 0;
    for (const std::size_t item : items) sum += values[setting][item];
    return sum / static_cast<double>(items.size());
  };
}

std::vector<std::vector<double>> noise(std::size_t settings, std::size_t items, std::uint64_t seed) {
  std::mt19937_64 generator(seed);
  std::normal_distribution<double> normal;
  std::vector<std::vector<double>> values(settings, std::vector<double>(items));
  std::vector<double> difficulty(items);
  for (double& value : difficulty) value = normal(generator);
  for (auto& row : values) {
    for (std::size_t item = 0; item < items; ++item) row[item] = difficulty[item] + 0.3 * normal(generator);
  }
  return values;
}

// What a sweep must never do: find something where there is nothing, however many settings are tried.
TEST(HeldOut, NoiseSeldomLooksLikeABenefit) {
  int alarms = 0;
  constexpr int kRounds = 60;
  for (std::uint64_t seed = 0; seed < kRounds; ++seed) {
    const auto values = noise(12, 100, 1000 + seed);
    const auto result =
        evaluate_held_out(100, 12, mean_of(values), {.folds = 2, .deals = 4, .resamples = 300, .seed = seed});
    alarms += benefit_of(result) == Benefit::helps ? 1 : 0;
  }
  EXPECT_LE(alarms, kRounds / 10) << "false alarm rate over 10 %";
}

TEST(HeldOut, ARealGainIsFoundAndALossToo) {
  auto values = noise(5, 200, 7);
  for (double& value : values[3]) value += 0.3;
  auto result = evaluate_held_out(200, 5, mean_of(values), {.folds = 5, .deals = 4, .resamples = 500, .seed = 1});
  EXPECT_EQ(benefit_of(result), Benefit::helps);
  EXPECT_EQ(result.chosen, (std::vector<std::size_t>(20, 3))) << "in each of 4 deals";
  EXPECT_NEAR(result.gain.value, 0.3, 0.08);
  EXPECT_GT(result.settings[3].gain.low, 0);
  EXPECT_LT(result.settings[1].gain.low, 0) << "an interval for all settings at once holds the idle ones";
  EXPECT_EQ(result.settings[0].gain.value, 0);
}

// A length bucket is judged by its own items alone.
TEST(HeldOut, SomeItemsAreJudgedAlone) {
  auto values = noise(3, 200, 11);
  std::vector<std::size_t> helped;
  std::vector<std::size_t> others;
  for (std::size_t item = 0; item < 200; ++item) {
    (item % 4 == 0 ? helped : others).push_back(item);
    if (item % 4 == 0) values[2][item] += 0.5;
  }
  const auto inside =
      compare_settings(helped, 3, mean_of(values), {.folds = 2, .deals = 4, .resamples = 500, .seed = 1});
  const auto outside =
      compare_settings(others, 3, mean_of(values), {.folds = 2, .deals = 4, .resamples = 500, .seed = 1});
  EXPECT_GT(inside[2].gain.low, 0);
  EXPECT_NEAR(inside[2].gain.value, 0.5, 0.2);
  EXPECT_LT(outside[2].gain.low, 0);
  EXPECT_GT(outside[2].gain.high, 0);
  EXPECT_GT(inside[1].gain.high - inside[1].gain.low, outside[1].gain.high - outside[1].gain.low)
      << "fewer items, wider interval";
  const auto bare = compare_settings(helped, 3, mean_of(values), {.folds = 2, .deals = 4, .resamples = 0, .seed = 1});
  EXPECT_EQ(bare[2].gain.low, bare[2].gain.value);
  EXPECT_EQ(bare[0].gain.value, 0);
}

TEST(HeldOut, TheUntouchedModelMayBeTheBest) {
  auto values = noise(4, 100, 9);
  for (double& value : values[0]) value += 1;
  const auto result = evaluate_held_out(100, 4, mean_of(values), {.folds = 2, .deals = 4, .resamples = 200, .seed = 1});
  EXPECT_EQ(result.chosen, (std::vector<std::size_t>(8, 0)));
  EXPECT_EQ(result.gain.value, 0);
  EXPECT_FALSE(result.gain.has_width()) << "nothing was measured";
  EXPECT_GT(result.detectable, 0);
  EXPECT_EQ(benefit_of(result), Benefit::none);
}

TEST(HeldOut, WhatHangsTogetherIsDealtAndResampledTogether) {
  // Each of 30 documents has four queries, which gain alike.
  std::vector<std::vector<double>> values(2, std::vector<double>(120));
  std::vector<std::size_t> groups(120);
  std::mt19937_64 generator(17);
  std::normal_distribution<double> normal;
  for (std::size_t group = 0; group < 30; ++group) {
    const double gain = 0.5 + normal(generator);
    for (std::size_t item = group; item < 120; item += 30) {
      groups[item] = 1000 - group;
      values[1][item] = gain;
    }
  }
  HeldOutOptions alone{.deals = 4, .resamples = 500};
  HeldOutOptions together = alone;
  together.groups = groups;
  for (const auto& fold : split_folds(120, together, 3)) {
    EXPECT_EQ(fold.size(), 24U);
    for (const std::size_t item : fold) {
      for (std::size_t other = item % 30; other < 120; other += 30) {
        EXPECT_NE(std::find(fold.begin(), fold.end(), other), fold.end());
      }
    }
  }
  const auto narrow = evaluate_held_out(120, 2, mean_of(values), alone);
  const auto wide = evaluate_held_out(120, 2, mean_of(values), together);
  EXPECT_EQ(narrow.units, 120U);
  EXPECT_EQ(wide.units, 30U);
  const auto width = [](const Interval& interval) { return interval.high - interval.low; };
  EXPECT_NEAR(width(wide.gain) / width(narrow.gain), 2, 0.3) << "four times fewer units";
  EXPECT_THROW(evaluate_held_out(119, 2, mean_of(values), together), Error) << "groups for another number";
}

TEST(HeldOut, RunsAreAtLeastTwoAndHaveAMetric) {
  const auto values = noise(2, 40, 8);
  const auto refused = [&](std::size_t count, bool with_metric) {
    HeldOutOptions options{.resamples = 100};
    options.runs.count = count;
    if (with_metric) options.runs.metric = [](auto&&...) { return std::optional(0.5); };
    try {
      evaluate_held_out(40, 2, mean_of(values), options);
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find("needs at least 2, "), std::string::npos) << error.what();
      return true;
    }
    return false;
  };
  EXPECT_TRUE(refused(1, true));
  EXPECT_TRUE(refused(10, false));
  EXPECT_TRUE(refused(0, true));
  EXPECT_FALSE(refused(2, true));
}

TEST(HeldOut, AContrastAsksWhatItsSettingsAloneWouldAnswer) {
  auto values = noise(4, 120, 8);
  for (double& value : values[2]) value += 0.4;
  for (double& value : values[3]) value += 0.5;
  const HeldOutOptions options = {.folds = 4, .deals = 3, .resamples = 300, .seed = 2};
  const auto plain = evaluate_held_out(120, 4, mean_of(values), options);
  const auto same = evaluate_held_out(120, 4, mean_of(values), options, {{{0, 1, 2, 3}, {0}}});
  EXPECT_EQ(same.gain.low, plain.gain.low) << "contrasts change nothing of the main answer";
  EXPECT_EQ(same.contrasts[0].chosen, plain.chosen);
  EXPECT_EQ(same.contrasts[0].gain.low, plain.gain.low) << "one contrast alone has an interval of its own";
  EXPECT_EQ(same.contrasts[0].gain.high, plain.gain.high);
  EXPECT_EQ(same.contrasts[0].detectable, plain.detectable);
  const std::vector<std::vector<double>> those = {values[0], values[2]};
  const auto two = evaluate_held_out(120, 2, mean_of(those), options);
  const auto part = evaluate_held_out(120, 4, mean_of(values), options, {{{0, 2}, {0}}}).contrasts[0];
  EXPECT_EQ(part.gain.value, two.gain.value);
  EXPECT_EQ(part.gain.low, two.gain.low);
  EXPECT_EQ(part.gain.high, two.gain.high);
  // Two at once reach further than one.
  const auto both = evaluate_held_out(120, 4, mean_of(values), options, {{{0, 2}, {0}}, {{0, 1, 2, 3}, {0, 1, 2}}});
  EXPECT_LT(both.contrasts[0].gain.low, part.gain.low);
  EXPECT_THROW(evaluate_held_out(120, 4, mean_of(values), options, {{{0, 4}, {0}}}), Error);
  EXPECT_THROW(evaluate_held_out(120, 4, mean_of(values), options, {{{}, {0}}}), Error);
}

TEST(HeldOut, AContrastChoosesOnBothSidesOnTheOtherFolds) {
  const auto values = noise(4, 60, 9);
  const HeldOutOptions options = {.folds = 3, .deals = 2, .resamples = 0, .seed = 5};
  const auto found = evaluate_held_out(60, 4, mean_of(values), options, {{{1, 3}, {0, 2}}}).contrasts[0];
  const ItemMetric metric = mean_of(values);
  double gain = 0;
  std::size_t place = 0;
  for (int deal = 0; deal < 2; ++deal) {
    const auto folds = split_folds(60, options, deal);
    for (std::size_t fold = 0; fold < folds.size(); ++fold, ++place) {
      std::vector<std::size_t> others;
      for (std::size_t other = 0; other < folds.size(); ++other) {
        if (other != fold) others.insert(others.end(), folds[other].begin(), folds[other].end());
      }
      const std::size_t best = *metric(3, others) > *metric(1, others) ? 3 : 1;
      const std::size_t against = *metric(2, others) > *metric(0, others) ? 2 : 0;
      EXPECT_EQ(found.chosen[place], best);
      EXPECT_EQ(found.against[place], against);
      gain += (*metric(best, folds[fold]) - *metric(against, folds[fold])) / 6;
    }
  }
  EXPECT_NEAR(found.gain.value, gain, 1e-12);
}

TEST(HeldOut, FewItemsMakeFewerFolds) {
  EXPECT_EQ(split_folds(50, {}).size(), 5U);
  EXPECT_EQ(split_folds(7, {}).size(), 3U);
  EXPECT_EQ(split_folds(4, {}).size(), 2U);
  EXPECT_THROW(split_folds(3, {}), Error);
  EXPECT_NE(split_folds(50, {}, 0), split_folds(50, {}, 1));
}

TEST(HeldOut, WithoutVarianceIntervalsHaveNoWidthAndNoNaN) {
  const std::vector<std::vector<double>> values = {std::vector<double>(40, 0.5), std::vector<double>(40, 0.5),
                                                   std::vector<double>(40, 0.75)};
  const auto result = evaluate_held_out(40, 3, mean_of(values), {.folds = 2, .deals = 4, .resamples = 200, .seed = 1});
  for (const SettingGain& setting : result.settings) {
    EXPECT_EQ(setting.gain.low, setting.gain.value);
    EXPECT_EQ(setting.gain.high, setting.gain.value);
    EXPECT_FALSE(setting.gain.has_width());
  }
  EXPECT_EQ(result.settings[2].gain.value, 0.25);
  EXPECT_EQ(result.gain.value, 0.25);
  EXPECT_FALSE(result.gain.has_width());
  const auto single = compare_settings(std::vector<std::size_t>{3}, 3, mean_of(values),
                                       {.folds = 2, .deals = 4, .resamples = 200, .seed = 1});
  EXPECT_EQ(single[2].gain.low, 0.25);
  const auto varied = noise(2, 40, 3);
  EXPECT_TRUE(evaluate_held_out(40, 2, mean_of(varied), {.folds = 2, .deals = 4, .resamples = 200, .seed = 1})
                  .settings[1]
                  .gain.has_width());
}

/// The mean of a setting over items of label 1; not defined without one.
ItemMetric mean_of_positives(const std::vector<std::vector<double>>& values, const std::vector<bool>& positive) {
  return [&](std::size_t setting, std::span<const std::size_t> items) -> std::optional<double> {
    double sum = 0;
    double count = 0;
    for (const std::size_t item : items) {
      if (!positive[item]) continue;
      sum += values[setting][item];
      ++count;
    }
    return count > 0 ? std::optional(sum / count) : std::nullopt;
  };
}

TEST(HeldOut, AMetricThatIsNotDefinedIsNoNumber) {
  const auto values = noise(2, 40, 5);
  std::vector<bool> positive(40, false);
  positive[3] = true;
  // Defined on the whole and on the fold of the one positive, but never on the other.
  EXPECT_THROW(evaluate_held_out(40, 2, mean_of_positives(values, positive),
                                 {.folds = 2, .deals = 4, .resamples = 200, .seed = 1}),
               Error);
  EXPECT_THROW(evaluate_held_out(40, 2, mean_of_positives(values, std::vector<bool>(40)),
                                 {.folds = 2, .deals = 4, .resamples = 200, .seed = 1}),
               Error);
  // Two positives: resamples without one are redrawn, as a zero would pull every interval to 0; so are deals.
  std::vector<std::vector<double>> gains = {std::vector<double>(20, 0.0), std::vector<double>(20, 1.0)};
  std::vector<bool> rare(20, false);
  const auto halves = split_folds(20, {.folds = 2, .deals = 4, .resamples = 200, .seed = 1});
  for (const auto& half : halves) rare[half.front()] = true;
  const auto result =
      evaluate_held_out(20, 2, mean_of_positives(gains, rare), {.folds = 2, .deals = 4, .resamples = 200, .seed = 1});
  EXPECT_EQ(result.settings[1].gain.low, 1);
  EXPECT_EQ(result.gain.low, 1);
}

TEST(HeldOut, TooLittleDataIsAnError) {
  const auto values = noise(2, 3, 1);
  EXPECT_THROW(evaluate_held_out(3, 2, mean_of(values), {.folds = 2, .deals = 4, .resamples = 10, .seed = 1}), Error);
  EXPECT_THROW(evaluate_held_out(3, 2, mean_of(values), {.folds = 1, .deals = 4, .resamples = 10, .seed = 1}), Error);
}

TEST_F(Evaluation, ReadsPairs) {
  const auto path = write("sts.jsonl",
                          "{\"sentence1\": \"a\", \"sentence2\": \"b\", \"score\": 4.5}\n"
                          "{\"sentence1\": \"c\", \"sentence2\": \"d\", \"label\": 1}\n");
  const auto data = read_pairs(path);
  EXPECT_EQ(data.scores, (std::vector<double>{4.5, 1}));
  EXPECT_EQ(data.second, (std::vector<std::string>{"b", "d"}));
  const auto bad = write("bad.jsonl", "{\"sentence1\": \"a\", \"sentence2\": \"b\", \"score\": \"x\"}\n");
  EXPECT_NE(error_of(bad, [&] { read_pairs(bad); }).find("bad.jsonl:1"), std::string::npos);
  const auto alike = write("alike.jsonl",
                           "{\"sentence1\": \"a\", \"sentence2\": \"b\", \"score\": 3}\n"
                           "{\"sentence1\": \"c\", \"sentence2\": \"d\", \"score\": 3.0}\n");
  EXPECT_NE(error_of(alike, [&] { read_pairs(alike); }).find("alike.jsonl: all 2 pairs have the score 3"),
            std::string::npos);
}

TEST_F(Evaluation, RerankingCountsWhatItLeavesOut) {
  const auto path = write("rank.jsonl",
                          "\xEF\xBB\xBF{\"query\": \"a\", \"positive\": [\"x\", \"x\"], \"negative\": [\"y\", \"x\"]}\n"
                          "{\"query\": \"b\", \"positive\": [], \"negative\": [\"y\"]}\n");
  EXPECT_TRUE(is_reranking(path));
  const auto data = read_reranking(path);
  EXPECT_EQ(data.queries, (std::vector<std::string>{"a"}));
  EXPECT_EQ(data.candidates[0], (std::vector<std::int64_t>{0, 1})) << "each once, a positive before all else";
  EXPECT_EQ(data.relevant[0], (Judgements{{0, 1.0}}));
  EXPECT_EQ(data.counts.repeated, 2);
  EXPECT_EQ(data.counts.queries_left_out, 1);
  const auto idle = write("idle.jsonl", "{\"query\": \"b\", \"positive\": [\"x\"], \"negative\": []}\n");
  EXPECT_NE(error_of(idle, [&] { read_reranking(idle); }).find("idle.jsonl: no line has both"), std::string::npos);
}

TEST(Halves, AreCutBetweenWords) {
  const auto data = retrieval_from_halves({"one two three four", "short one", "a b  c\nd e"}, 4);
  ASSERT_EQ(data.queries.size(), 2U);
  EXPECT_EQ(data.queries[0], "one two");
  EXPECT_EQ(data.documents[0], " three four");
  EXPECT_EQ(data.queries[1] + data.documents[1], "a b  c\nd e");
  EXPECT_EQ(data.relevant[1], (Judgements{{1, 1.0}}));
}

TEST_F(Evaluation, TheCacheGivesBackWhatItKeptAndNothingElse) {
  const VectorCache cache(folder_ / "cache");
  const std::vector<std::string_view> texts = {"a", "bc"};
  const std::string key = VectorCache::key("model, tau 0.8", texts);
  EXPECT_FALSE(cache.find(key, 2).has_value());
  cache.keep(key, {3, {1, 2, 3, 4, 5, 6}, {7, 8}});
  const auto found = cache.find(key, 2);
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->values, (std::vector<float>{1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(found->tokens, (std::vector<std::int64_t>{7, 8}));
  EXPECT_FALSE(cache.find(key, 3).has_value()) << "another number of texts";
  EXPECT_NE(key, VectorCache::key("model, tau 0.9", texts));
  const std::vector<std::string_view> others = {"ab", "c"};
  EXPECT_NE(key, VectorCache::key("model, tau 0.8", others));
  for (const std::size_t size : {0, 5, 90, 120}) {  // cut short anywhere
    fs::resize_file(folder_ / "cache" / key, size);
    EXPECT_FALSE(cache.find(key, 2).has_value()) << size;
    cache.keep(key, {3, {1, 2, 3, 4, 5, 6}, {7, 8}});
  }
  std::fstream file(folder_ / "cache" / key, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(-1, std::ios::end);
  file.put('x');
  file.close();
  EXPECT_FALSE(cache.find(key, 2).has_value()) << "a damaged byte";
  VectorCache("").keep(key, {});
  EXPECT_FALSE(VectorCache("").find(key, 2).has_value());
}

}  // namespace
}  // namespace treble::internal
