// Inspections of token vectors against what sentence-transformers' vectors of the same texts give, and their words.
#include "engine/token_inspection.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "diagnostics/advice.h"
#include "diagnostics/verdict.h"
#include "engine/golden_support.h"
#include "safetensors/safetensors.h"
#include "treble/collapse_report.h"
#include "treble/error.h"

namespace treble::internal {
namespace {

using test::source_path;
using Vectors = std::vector<std::vector<double>>;

std::filesystem::path token_model(const std::string& name) {
  return source_path("tests/golden/multi-vector/" + name + "/model");
}

SentenceEncoder load_token_model(const std::string& name, int threads = 2) {
  return SentenceEncoder::load({.model = token_model(name).string(), .threads = threads});
}

InspectOptions token_options() {
  InspectOptions options;
  options.temperatures = {Temperature::parse("0.7")};
  options.bucket_edges = {};
  options.bootstrap = 50;
  return options;
}

/// Texts of many lengths, each of words of its own.
std::vector<std::string> token_texts(int count, const std::vector<int>& words) {
  const std::vector<std::string> vocabulary = {"harbour", "letter", "ship", "sea", "evening", "lamp", "north", "wind"};
  std::vector<std::string> texts;
  for (int i = 0; i < count; ++i) {
    std::string text = fmt::format("{}", i % 10);
    const auto length = words[static_cast<std::size_t>(i) % words.size()];
    for (int word = 0; word < length; ++word) {
      text += " " + vocabulary[static_cast<std::size_t>(i * 5 + word * (i % 3 + 1)) % vocabulary.size()];
    }
    texts.push_back(std::move(text));
  }
  return texts;
}

double product(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

double naive_token_cosine(const std::vector<Vectors>& texts) {
  double mean = 0;
  for (const Vectors& text : texts) {
    double sum = 0;
    double pairs = 0;
    for (const auto& a : text) {
      for (const auto& b : text) {
        if (&a == &b) continue;
        sum += product(a, b) / std::sqrt(product(a, a) * product(b, b));
        ++pairs;
      }
    }
    mean += sum / pairs / static_cast<double>(texts.size());
  }
  return mean;
}

double naive_max_sim(const std::vector<Vectors>& texts) {
  double mean = 0;
  double pairs = 0;
  for (const Vectors& query : texts) {
    for (const Vectors& document : texts) {
      if (&query == &document) continue;
      double sum = 0;
      for (const auto& q : query) {
        double best = -2;
        for (const auto& d : document) best = std::max(best, product(q, d));
        sum += best;
      }
      mean += sum / static_cast<double>(query.size());
      ++pairs;
    }
  }
  return mean / pairs;
}

class GoldenTokenInspection : public ::testing::TestWithParam<std::string> {};

TEST_P(GoldenTokenInspection, EqualsWhatSentenceTransformersVectorsGive) {
  const auto folder = source_path("tests/golden/multi-vector/" + GetParam());
  const auto cases = parse_json_file(folder / "cases.json");
  const auto texts = cases.at("texts").get<std::vector<std::string>>();
  const auto counts = cases.at("document_rows").get<std::vector<std::int64_t>>();
  const TensorArchive expected = TensorArchive::open_file(folder / "expected.safetensors");
  const CollapseReport report = inspect_collapse(load_token_model(GetParam()), test::views(texts), token_options());
  ASSERT_TRUE(report.token_vectors.has_value());
  ASSERT_EQ(report.settings, (std::vector<std::string>{"1", "0.7"}));
  for (std::size_t setting = 0; setting < 2; ++setting) {
    const auto golden = test::read_golden(expected, setting == 0 ? "tau=1/document" : "tau=0.7/document");
    std::vector<Vectors> vectors;
    std::int64_t row = 0;
    for (const std::int64_t count : counts) {
      auto& text = vectors.emplace_back();
      for (const std::int64_t end = row + count; row < end; ++row) {
        const auto values = golden.view().row_span(row);
        text.emplace_back(values.begin(), values.end());
      }
    }
    const CosineEstimate& within = report.token_vectors->token_cosine[setting].front();
    const CosineEstimate& between = report.token_vectors->max_sim[setting].front();
    EXPECT_NEAR(within.mean, naive_token_cosine(vectors), 1e-5);
    EXPECT_NEAR(between.mean, naive_max_sim(vectors), 1e-5);
    EXPECT_EQ(within.texts, std::ssize(texts));
    EXPECT_EQ(between.pairs, std::ssize(texts) * (std::ssize(texts) - 1));
    EXPECT_EQ(report.token_vectors->spread[setting].front().vectors, row);
  }
}

INSTANTIATE_TEST_SUITE_P(Models, GoldenTokenInspection,
                         ::testing::Values("native-bert", "pylate-bert", "pylate-modernbert", "stanford-bert"),
                         [](const auto& tested) {
                           std::string name = tested.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

TEST(TokenInspection, SaysWhetherTokenVectorsDrawTogether) {
  const auto encoder = load_token_model("native-modernbert");
  const auto texts = token_texts(120, {2, 5, 40});
  InspectOptions options = token_options();
  options.bucket_edges = {16, 24};
  options.cut_lengths = {8, 16};
  options.max_sim_documents = 5;
  const CollapseReport report = inspect_collapse(encoder, test::views(texts), options);
  const TokenVectorReport& tokens = *report.token_vectors;
  ASSERT_EQ(report.buckets.size(), 3U);
  EXPECT_EQ(tokens.max_sim[0][0].pairs, 40 * 5);
  EXPECT_EQ(tokens.max_sim_documents, 5);
  EXPECT_EQ(tokens.dim, encoder.info().token_dim);
  ASSERT_EQ(tokens.cut_token_cosine[1].size(), 2U);
  EXPECT_EQ(tokens.cut_max_sim[1][1].texts, report.cut_texts);
  EXPECT_NE(report.verdict.find("oken vectors"), std::string::npos) << report.verdict;
  EXPECT_NE(report.verdict.find("those within texts of 25 to"), std::string::npos) << report.verdict;
  EXPECT_NE(report.verdict.find("MaxSim between different texts is"), std::string::npos) << report.verdict;
  EXPECT_NE(report.verdict.find("At temperature 0.7 the longer ones are at"), std::string::npos) << report.verdict;
  EXPECT_TRUE(report.bucket_cosine.empty() && report.geometry.empty() && report.map.texts.empty());
  EXPECT_FALSE(report.attention.empty()) << "layers are probed as ever";
  const std::string table = to_table(report);
  EXPECT_NE(table.find("between the token vectors of one text"), std::string::npos);
  EXPECT_NE(table.find("each with 5 others at most"), std::string::npos);
  EXPECT_EQ(table.find("Mean cosine between different texts"), std::string::npos);
  const auto json = nlohmann::json::parse(to_json(report));
  EXPECT_EQ(json.at("provenance").at("output"), "multi-vector");
  EXPECT_EQ(json.at("provenance").at("role"), "document");
  EXPECT_EQ(json.at("token_vectors").at("token_cosine").at(0).size(), 3U);
}

TEST(TokenInspection, FindsTheSameCollapseAsTheNumbers) {
  CollapseReport report;
  report.texts = 60;
  report.buckets = {{1, 32, 30}, {33, 64, 30}};
  report.settings = {"1"};
  report.num_temperatures = 1;
  TokenVectorReport& tokens = report.token_vectors.emplace();
  tokens.token_cosine = {{{30, 900, 0.30, 0.28, 0.32}, {30, 9000, 0.45, 0.43, 0.47}}};
  tokens.max_sim = {{{30, 870, 0.5, 0.48, 0.52}, {30, 870, 0.7, 0.68, 0.72}}};
  report.findings = find_collapse(report);
  EXPECT_TRUE(report.findings.visible);
  EXPECT_EQ(
      describe_collapse(report),
      "Token vectors draw together with length: those within texts of 33 to 64 tokens are 1.5 times as similar to "
      "one another as those within texts of 1 to 32 tokens (mean cosine 0.450 [0.430, 0.470] against 0.300 [0.280, "
      "0.320]). MaxSim between different texts is 0.700 [0.680, 0.720] a query vector among the longer ones, 0.500 "
      "[0.480, 0.520] among the shorter.");
  EXPECT_NE(collapse_advice(report).front().find("token vectors of long texts"), std::string::npos);
}

TEST(TokenInspection, TheReportIsTheSameForEveryNumberOfThreads) {
  auto texts = token_texts(60, {2, 7, 15, 30, 60});
  texts.emplace_back();
  InspectOptions options = token_options();
  options.bucket_edges = {16};
  options.cut_lengths = {8, 16};
  options.max_sim_documents = 6;
  for (const char* name : {"pylate-bert", "native-modernbert"}) {
    const auto report = [&](int threads) {
      return to_json(inspect_collapse(load_token_model(name, threads), test::views(texts), options));
    };
    const std::string one = report(1);
    for (const int threads : {1, 2, 3}) EXPECT_EQ(report(threads), one) << name << " with " << threads << " threads";
  }
}

TEST(TokenInspection, HasAnAnswerForFewTexts) {
  const auto encoder = load_token_model("pylate-bert");
  using Texts = std::vector<std::string>;
  for (const Texts& texts : {Texts{}, Texts{""}, Texts{"a"}, Texts{"", ""}, Texts{"a", "a b"}, token_texts(2, {40})}) {
    const CollapseReport report = inspect_collapse(encoder, test::views(texts), token_options());
    const std::string json = to_json(report);
    EXPECT_EQ(report.texts, std::ssize(texts));
    EXPECT_EQ(to_table(report).find("nan"), std::string::npos);
    EXPECT_EQ(nlohmann::json::parse(json).at("verdict"), report.verdict);
  }
}

TEST(TokenInspection, WhatIsOfDenseVectorsIsRefusedBeforeAnythingIsRead) {
  const auto refusal = [](const SentenceEncoder& encoder, const InspectOptions& options) {
    try {
      const InspectSource source = [](InspectText&) -> bool { throw std::logic_error("something was read"); };
      inspect_collapse(encoder, source, options);
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string("no error");
  };
  const auto tokens = load_token_model("pylate-bert");
  const auto with = [](const auto& change) {
    InspectOptions options = token_options();
    change(options);
    return options;
  };
  const auto said = [&](const SentenceEncoder& encoder, const auto& change) { return refusal(encoder, with(change)); };
  EXPECT_NE(said(tokens, [](auto& o) { o.posts = {PostSpec::parse("centring")}; }).find("InspectOptions::posts"),
            std::string::npos);
  EXPECT_NE(said(tokens, [](auto& o) { o.queries = {"a"}; }).find("InspectOptions::queries"), std::string::npos);
  EXPECT_NE(said(tokens, [](auto& o) { o.label_sample = 9; }).find("InspectOptions::label_sample"), std::string::npos);
  EXPECT_NE(said(tokens, [](auto& o) { o.encode.dimensions = 4; }).find("EncodeOptions::dimensions"),
            std::string::npos);
  EXPECT_NE(said(tokens, [](auto& o) { o.output = OutputKind::dense; }).find("no dense output"), std::string::npos);
  EXPECT_NE(said(tokens, [](auto& o) { o.output = OutputKind::sparse; }).find("sparse vectors have no measures"),
            std::string::npos);
  EXPECT_NE(said(tokens, [](auto& o) { o.max_sim_documents = 0; }).find("at least 1, got 0"), std::string::npos);
  const auto dense = SentenceEncoder::load({.model = source_path("tests/golden/bert/model").string()});
  EXPECT_NE(said(dense, [](auto& o) { o.output = OutputKind::multi_vector; }).find("no multi-vector output"),
            std::string::npos);
  EXPECT_NE(said(dense, [](auto& o) { o.max_sim_documents = 3; }).find("this inspection is of dense ones"),
            std::string::npos);
}

}  // namespace
}  // namespace treble::internal
