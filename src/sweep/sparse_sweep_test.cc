// Sweeps of models with sparse vectors alone: rankings by their dot product.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "engine/golden_support.h"
#include "treble/error.h"
#include "treble/sparse.h"
#include "treble/sweep.h"

namespace treble::internal {
namespace {

SentenceEncoder load_splade(const std::string& name) {
  return SentenceEncoder::load({.model = test::source_path("tests/golden/" + name + "/model").string(), .threads = 2});
}

std::string some_text(std::size_t number, std::size_t words) {
  const std::vector<std::string> vocabulary = {"harbour", "letter", "ship", "sea", "evening", "lamp", "north", "wind"};
  std::string result;
  for (std::size_t i = 0; i < words; ++i) result += vocabulary[(number * 5 + i * (number % 3 + 1)) % 8] + " ";
  return result + fmt::format("{}", number);
}

RetrievalData thirty_queries() {
  RetrievalData data;
  for (std::size_t i = 0; i < 30; ++i) {
    data.document_ids.push_back(fmt::format("d{}", i));
    data.documents.push_back(some_text(i, 4 + i));
    data.query_ids.push_back(fmt::format("q{}", i));
    data.queries.push_back(some_text(i, 3));
    data.relevant.push_back({{static_cast<std::int64_t>(i), 1.0}});
  }
  return data;
}

SweepOptions sparse_sweep_options() {
  SweepOptions options;
  options.temperatures = {Temperature::parse("0.7")};
  options.held_out.resamples = 50;
  options.run_depth = 3;
  return options;
}

std::string refusal_of(const SentenceEncoder& encoder, SweepData data, const SweepOptions& options) {
  try {
    sweep(encoder, std::move(data), options);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

/// Of each setting, the scores that encode_sparse gives. `by_table`: no temperature acts on queries.
void expect_dot_products(const SentenceEncoder& encoder, const RetrievalData& data, const SweepReport& report,
                         SweepSide side, bool by_table) {
  const std::vector<std::string_view> documents(data.documents.begin(), data.documents.end());
  const std::vector<std::string_view> queries(data.queries.begin(), data.queries.end());
  for (std::size_t setting = 0; setting < report.settings.size(); ++setting) {
    const auto options_of = [&](TextRole role, bool tempered) {
      OutputOptions options{.role = role};
      if (tempered) options.encode.temperature = report.settings[setting].temperature;
      return options;
    };
    const SparseVectors asked =
        encode_sparse(encoder, queries, options_of(TextRole::query, side != SweepSide::document && !by_table));
    const SparseVectors found =
        encode_sparse(encoder, documents, options_of(TextRole::document, side != SweepSide::query));
    const auto scores = dot_products(asked, found);
    for (std::size_t query = 0; query < queries.size(); ++query) {
      const auto own = scores.begin() + static_cast<std::ptrdiff_t>(query * documents.size());
      ASSERT_EQ(report.rankings[setting][query].size(), 3U);
      for (const RankedDocument& one : report.rankings[setting][query]) {
        EXPECT_NEAR(one.score, own[one.document], 1e-4);
        EXPECT_LT(std::count_if(own, own + std::ssize(documents), [&](float s) { return s > one.score + 1e-4F; }), 3);
      }
    }
  }
}

TEST(SparseSweep, RanksByDotProductOnEitherSide) {
  for (const char* name : {"sparse/bert", "sparse/distilbert"}) {
    const SentenceEncoder encoder = load_splade(name);
    for (const SweepSide side : {SweepSide::both, SweepSide::query, SweepSide::document}) {
      SCOPED_TRACE(name + to_string(side));
      SweepOptions options = sparse_sweep_options();
      options.side = side;
      const SweepReport report = sweep(encoder, {.name = "thirty", .data = thirty_queries()}, options);
      ASSERT_EQ(report.settings.size(), 2U);
      expect_dot_products(encoder, thirty_queries(), report, side, false);
      const auto json = nlohmann::json::parse(to_json(report));
      EXPECT_EQ(json.at("similarity"), "dot");
      EXPECT_EQ(json.at("provenance").at("output"), "sparse");
    }
  }
}

TEST(SparseSweep, QueriesOfATableAreTheSameAtEveryTemperature) {
  const SentenceEncoder encoder = load_splade("sparse-routers/table");
  const SweepReport report = sweep(encoder, {.name = "thirty", .data = thirty_queries()}, sparse_sweep_options());
  expect_dot_products(encoder, thirty_queries(), report, SweepSide::both, true);
  ASSERT_EQ(report.commands.size(), 2U);
  EXPECT_EQ(report.commands[1].find("--temperature"), std::string::npos) << report.commands[1];
  SweepOptions options = sparse_sweep_options();
  options.side = SweepSide::query;
  EXPECT_NE(refusal_of(encoder, {.name = "thirty", .data = thirty_queries()}, options).find("by a table of weights"),
            std::string::npos);
}

TEST(SparseSweep, CandidatesAloneAreCompared) {
  const SentenceEncoder encoder = load_splade("sparse/bert");
  RetrievalData data = thirty_queries();
  data.first_stage = true;
  for (std::int64_t i = 0; i < 30; ++i) data.candidates.push_back({i, (i + 7) % 30, (i + 13) % 30});
  const SweepReport report = sweep(encoder, {.name = "thirty", .data = data}, sparse_sweep_options());
  for (std::size_t query = 0; query < 30; ++query) {
    for (const RankedDocument& one : report.rankings[0][query]) {
      const auto& own = data.candidates[query];
      EXPECT_NE(std::find(own.begin(), own.end(), one.document), own.end());
    }
  }
}

TEST(SparseSweep, SaysWhatToRun) {
  const SentenceEncoder encoder = load_splade("sparse/bert");
  const SweepReport report = sweep(encoder, {.name = "thirty", .data = thirty_queries()}, sparse_sweep_options());
  ASSERT_EQ(report.commands.size(), 2U);
  EXPECT_NE(report.commands[0].find("--output-kind sparse --role document corpus.jsonl -o corpus.npz"),
            std::string::npos)
      << report.commands[0];
  EXPECT_NE(report.commands[1].find("--role query queries.jsonl"), std::string::npos) << report.commands[1];
}

TEST(SparseSweep, WhatIsOfDenseVectorsIsRefused) {
  const SentenceEncoder encoder = load_splade("sparse/bert");
  const auto said = [&](const auto& change) {
    SweepOptions options = sparse_sweep_options();
    change(options);
    return refusal_of(encoder, {.name = "thirty", .data = thirty_queries()}, options);
  };
  EXPECT_NE(said([](auto& o) { o.baselines = {parse_sweep_baseline("centring")}; }).find("baselines"),
            std::string::npos);
  EXPECT_NE(said([](auto& o) { o.cache = "somewhere"; }).find("cache"), std::string::npos);
  EXPECT_NE(said([](auto& o) { o.similarity = Similarity::cosine; }).find("dot product"), std::string::npos);
  PairData pairs;
  for (std::size_t i = 0; i < 20; ++i) {
    pairs.first.push_back(some_text(i, 3));
    pairs.second.push_back(some_text(i + 1, 4));
    pairs.scores.push_back(static_cast<double>(i % 5));
  }
  SweepOptions options = sparse_sweep_options();
  options.run_depth = 0;
  EXPECT_NE(refusal_of(encoder, {.name = "pairs", .data = pairs}, options).find("rankings"), std::string::npos);
}

}  // namespace
}  // namespace treble::internal
