// Sweeps by a cross-encoder.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "engine/golden_support.h"
#include "treble/error.h"
#include "treble/reranker.h"
#include "treble/sweep.h"

namespace treble::internal {
namespace {

std::string folder_of(const std::string& name) {
  return test::source_path("tests/golden/rerankers/" + name + "/model").string();
}

class RerankSweep : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    reranker_ = std::make_unique<Reranker>(Reranker::load({.model = folder_of("bert"), .threads = 2}));
  }
  static void TearDownTestSuite() { reranker_.reset(); }

  /// Thirty queries with five candidates each, one of which is relevant.
  static SweepData candidates() {
    const std::vector<std::string> words = {"harbour", "letter", "ship", "sea", "evening", "lamp", "north", "wind"};
    RetrievalData data;
    for (std::size_t i = 0; i < 30; ++i) {
      data.query_ids.push_back(fmt::format("q{}", i));
      data.queries.push_back(fmt::format("{} {}", words[i % 8], words[i / 8]));
      data.candidates.emplace_back();
      for (std::size_t c = 0; c < 5; ++c) {
        data.candidates.back().push_back(static_cast<std::int64_t>(data.documents.size()));
        data.document_ids.push_back(fmt::format("d{}-{}", i, c));
        data.documents.push_back(fmt::format("{} {} {}", words[(i + c) % 8], words[(i * c) % 8], i));
      }
      data.relevant.push_back({{data.candidates.back()[i % 5], 1.0}});
    }
    return {.name = "thirty", .data = std::move(data)};
  }
  static SweepOptions quick() {
    SweepOptions options;
    options.temperatures = {Temperature::parse("0.5")};
    options.held_out.resamples = 50;
    return options;
  }
  static void expect_error(SweepData data, const SweepOptions& options, const std::string& words) {
    try {
      sweep(*reranker_, std::move(data), options);
      ADD_FAILURE() << words;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
      EXPECT_NE(std::string(error.what()).find(words), std::string::npos) << error.what();
    }
  }

  static inline std::unique_ptr<Reranker> reranker_;
};

TEST_F(RerankSweep, RankingsAreThoseOfTheRerankerAtEachTemperature) {
  SweepOptions options = quick();
  options.run_depth = 5;
  const SweepReport report = sweep(*reranker_, candidates(), options);
  const auto data = std::get<RetrievalData>(candidates().data);
  ASSERT_EQ(report.settings.size(), 2U);
  EXPECT_EQ(report.metric, "MAP");
  EXPECT_TRUE(report.reranker);
  for (std::size_t setting = 0; setting < 2; ++setting) {
    RerankOptions rerank{.encode = {.temperature = report.settings[setting].temperature}, .activation = {}};
    double sum = 0;
    for (std::size_t query = 0; query < data.queries.size(); ++query) {
      std::vector<std::string_view> texts;
      for (const std::int64_t d : data.candidates[query]) texts.push_back(data.documents[static_cast<std::size_t>(d)]);
      const auto ranked = reranker_->rank(data.queries[query], texts, rerank);
      const auto& found = report.rankings[setting][query];
      ASSERT_EQ(found.size(), ranked.size());
      std::vector<std::int64_t> order;
      for (std::size_t place = 0; place < ranked.size(); ++place) {
        order.push_back(data.candidates[query][static_cast<std::size_t>(ranked[place].index)]);
        EXPECT_EQ(found[place].document, order.back()) << query;
      }
      sum += ranking_metrics(order, data.relevant[query], 5).average_precision;
    }
    EXPECT_NEAR(report.held_out.settings[setting].value, sum / 30, 1e-12);
  }
}

TEST_F(RerankSweep, TheReportSaysWhatWasReadAndWhatToRun) {
  SweepOptions options = quick();
  options.encode.max_length = 8;
  options.max_lengths = {40};
  const SweepReport report = sweep(*reranker_, candidates(), options);
  std::vector<std::string> names;
  for (const SweepSetting& setting : report.settings) names.push_back(setting.name());
  EXPECT_EQ(names, (std::vector<std::string>{"1", "max-length:40", "0.5", "0.5 + max-length:40"}));
  EXPECT_EQ(report.documents_read[0].texts, 150);
  EXPECT_GT(report.documents_read[0].cut, 0);
  EXPECT_EQ(report.documents_read[1].cut, 0);
  EXPECT_TRUE(report.queries_read.empty());
  ASSERT_EQ(report.commands.size(), 1U);
  EXPECT_EQ(report.commands[0].find("treble rerank --model "), 0U) << report.commands[0];
  const auto json = nlohmann::json::parse(to_json(report));
  EXPECT_EQ(json.at("reranker"), true);
  EXPECT_TRUE(json.at("similarity").is_null());
  EXPECT_EQ(json.at("provenance").at("activation"), "sigmoid");
  EXPECT_NE(to_table(report).find("candidates reranked"), std::string::npos);
  EXPECT_EQ(to_json(report), to_json(sweep(*reranker_, candidates(), options)));
}

TEST_F(RerankSweep, CandidatesOfAFirstRankingAreJudgedByNdcg) {
  SweepData data = candidates();
  auto& retrieval = std::get<RetrievalData>(data.data);
  retrieval.first_stage = true;
  retrieval.candidates[3].clear();
  const SweepReport report = sweep(*reranker_, std::move(data), quick());
  EXPECT_EQ(report.metric, "nDCG@10");
  EXPECT_EQ(report.scores[0][3], 0);
  EXPECT_EQ(report.each[3].tokens, -1);
}

TEST_F(RerankSweep, WhatIsForVectorsIsNamed) {
  SweepOptions options = quick();
  options.baselines = {parse_sweep_baseline("centring")};
  expect_error(candidates(), options, "SweepOptions::baselines");
  options = quick();
  options.side = SweepSide::query;
  expect_error(candidates(), options, "SweepOptions::side");
  options = quick();
  options.similarity = Similarity::dot;
  expect_error(candidates(), options, "SweepOptions::similarity");
  options = quick();
  options.document_prompt.text = "d: ";
  expect_error(candidates(), options, "SweepOptions::document_prompt");
  options = quick();
  options.cache = "somewhere";
  expect_error(candidates(), options, "SweepOptions::cache");
  SweepData data = candidates();
  std::get<RetrievalData>(data.data).candidates.clear();
  expect_error(std::move(data), quick(), "a reranker orders candidates");
  expect_error({.name = "pairs", .data = PairData{{"a"}, {"b"}, {1.0}, {}}}, quick(), "pairs: a reranker orders");
}

TEST_F(RerankSweep, AModelOfSeveralScoresHasNoRanking) {
  const auto labels = Reranker::load({.model = folder_of("bert-labels"), .threads = 1});
  try {
    sweep(labels, candidates(), quick());
    ADD_FAILURE() << "three scores were ranked";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::unsupported);
    EXPECT_NE(std::string(error.what()).find("3 scores"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace treble::internal
