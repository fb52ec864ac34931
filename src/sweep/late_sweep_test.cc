// Sweeps of models that give a vector for each token: rankings by MaxSim.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "engine/golden_support.h"
#include "treble/error.h"
#include "treble/multi_vector.h"
#include "treble/sweep.h"

namespace treble::internal {
namespace {

class LateSweep : public ::testing::Test {
 protected:
  static SentenceEncoder load(const std::string& name) {
    return SentenceEncoder::load(
        {.model = test::source_path("tests/golden/multi-vector/" + name + "/model").string(), .threads = 2});
  }
  static std::string text(std::size_t number, std::size_t words) {
    const std::vector<std::string> vocabulary = {"harbour", "letter", "ship",  "sea",
                                                 "evening", "lamp",   "north", "wind"};
    std::string result;
    for (std::size_t i = 0; i < words; ++i) result += vocabulary[(number * 5 + i * (number % 3 + 1)) % 8] + " ";
    return result + fmt::format("{}", number);
  }
  static RetrievalData data() {
    RetrievalData data;
    for (std::size_t i = 0; i < 30; ++i) {
      data.document_ids.push_back(fmt::format("d{}", i));
      data.documents.push_back(text(i, 4 + i));
      data.query_ids.push_back(fmt::format("q{}", i));
      data.queries.push_back(text(i, 3));
      data.relevant.push_back({{static_cast<std::int64_t>(i), 1.0}});
    }
    return data;
  }
  static SweepOptions quick() {
    SweepOptions options;
    options.temperatures = {Temperature::parse("0.7")};
    options.held_out.resamples = 50;
    options.run_depth = 3;
    return options;
  }
  static std::string error_of(const SentenceEncoder& encoder, SweepData data, const SweepOptions& options) {
    try {
      sweep(encoder, std::move(data), options);
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  }
};

/// Of each setting and side, the scores that encode_multi and max_sim give.
void expect_max_sim(const SentenceEncoder& encoder, const RetrievalData& data, const SweepReport& report,
                    SweepSide side) {
  const auto is_candidate = [&](std::size_t query, std::int64_t document) {
    if (data.candidates.empty()) return true;
    const auto& own = data.candidates[query];
    return std::find(own.begin(), own.end(), document) != own.end();
  };
  const std::vector<std::string_view> documents(data.documents.begin(), data.documents.end());
  const std::vector<std::string_view> queries(data.queries.begin(), data.queries.end());
  for (std::size_t setting = 0; setting < report.settings.size(); ++setting) {
    const auto options_of = [&](TextRole role, SweepSide other) {
      OutputOptions options;
      options.role = role;
      if (side != other) options.encode.temperature = report.settings[setting].temperature;
      return options;
    };
    const auto scores = max_sim(encode_multi(encoder, queries, options_of(TextRole::query, SweepSide::document)),
                                encode_multi(encoder, documents, options_of(TextRole::document, SweepSide::query)),
                                {.mean = encoder.info().mean_max_sim});
    for (std::size_t query = 0; query < queries.size(); ++query) {
      const auto& ranking = report.rankings[setting][query];
      ASSERT_EQ(ranking.size(), 3U);
      for (const RankedDocument& found : ranking) {
        const auto own = scores.begin() + static_cast<std::ptrdiff_t>(query * documents.size());
        EXPECT_NEAR(found.score, own[found.document], 1e-5);
        int better = 0;
        for (std::int64_t d = 0; d < std::ssize(documents); ++d) {
          if (is_candidate(query, d) && own[d] > found.score + 1e-5F) ++better;
        }
        EXPECT_TRUE(is_candidate(query, found.document));
        EXPECT_LT(better, 3);
      }
    }
  }
}

TEST_F(LateSweep, RanksByMaxSimOnEitherSide) {
  for (const char* name : {"pylate-bert", "native-bert"}) {
    const SentenceEncoder encoder = load(name);
    for (const SweepSide side : {SweepSide::both, SweepSide::query, SweepSide::document}) {
      SCOPED_TRACE(name + to_string(side));
      SweepOptions options = quick();
      options.side = side;
      const SweepReport report = sweep(encoder, {.name = "thirty", .data = data()}, options);
      ASSERT_EQ(report.settings.size(), 2U);
      EXPECT_TRUE(report.max_sim);
      expect_max_sim(encoder, data(), report, side);
      const auto json = nlohmann::json::parse(to_json(report));
      EXPECT_EQ(json.at("similarity"), "maxsim");
      EXPECT_EQ(json.at("provenance").at("output"), "multi-vector");
      EXPECT_NE(to_table(report).find("MaxSim"), std::string::npos);
    }
  }
}

TEST_F(LateSweep, SaysWhatToRunAndHowMuchWasRead) {
  const SentenceEncoder encoder = load("pylate-bert");
  const SweepReport report = sweep(encoder, {.name = "thirty", .data = data()}, quick());
  ASSERT_EQ(report.commands.size(), 2U);
  EXPECT_NE(report.commands[0].find("--output-kind multi-vector --role document corpus.jsonl -o corpus.npz"),
            std::string::npos)
      << report.commands[0];
  EXPECT_NE(report.commands[1].find("--role query queries.jsonl"), std::string::npos) << report.commands[1];
  EXPECT_EQ(report.document_prompt.text, "[D] ");
  EXPECT_GT(report.documents_read[0].cut, 0);  // its documents are cut to 24 tokens
  EXPECT_LT(report.documents_read[0].read, report.documents_read[0].tokens);
}

TEST_F(LateSweep, RerankingComparesWithTheCandidatesAlone) {
  const SentenceEncoder encoder = load("pylate-bert");
  RetrievalData ranked = data();
  for (std::size_t i = 0; i < 30; ++i) {
    const auto own = static_cast<std::int64_t>(i);
    ranked.candidates.push_back({own, (own + 7) % 30, (own + 13) % 30, (own + 21) % 30});
  }
  const SweepReport report = sweep(encoder, {.name = "thirty", .data = ranked}, quick());
  EXPECT_EQ(report.metric, "MAP");
  expect_max_sim(encoder, ranked, report, SweepSide::both);
}

TEST_F(LateSweep, WhatIsOfDenseVectorsIsRefused) {
  const SentenceEncoder encoder = load("pylate-bert");
  SweepOptions options = quick();
  options.baselines = {parse_sweep_baseline("centring")};
  EXPECT_NE(error_of(encoder, {.name = "thirty", .data = data()}, options).find("baselines"), std::string::npos);
  options = quick();
  options.cache = "somewhere";
  EXPECT_NE(error_of(encoder, {.name = "thirty", .data = data()}, options).find("cache"), std::string::npos);
  options = quick();
  options.similarity = Similarity::dot;
  EXPECT_NE(error_of(encoder, {.name = "thirty", .data = data()}, options).find("MaxSim"), std::string::npos);
  PairData pairs;
  for (std::size_t i = 0; i < 20; ++i) {
    pairs.first.push_back(text(i, 3));
    pairs.second.push_back(text(i + 1, 4));
    pairs.scores.push_back(static_cast<double>(i % 5));
  }
  options = quick();
  options.run_depth = 0;
  EXPECT_NE(error_of(encoder, {.name = "pairs", .data = pairs}, options).find("rankings"), std::string::npos);
}

}  // namespace
}  // namespace treble::internal
