// The collapse inspection as a whole: an answer for every corpus, the same one every time, and layers probed as
// said.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "diagnostics/layer_probe.h"
#include "engine/encoder_access.h"
#include "engine/golden_support.h"
#include "engine/text_sample.h"
#include "treble/collapse_report.h"
#include "treble/error.h"

namespace treble::internal {
namespace {

using test::source_path;
using Texts = std::vector<std::string>;

SentenceEncoder tiny_encoder(int threads = 2, const char* family = "bert") {
  return SentenceEncoder::load(
      {.model = source_path(fmt::format("tests/golden/{}/model", family)).string(), .threads = threads});
}

InspectOptions quick_options() {
  InspectOptions options;
  options.temperatures = {Temperature::parse("0.8"), Temperature::parse("log:8")};
  options.posts = {PostSpec::parse("centring")};
  options.bootstrap = 50;
  options.queries = {"when does the ferry leave", "a letter"};
  return options;
}

/// A text of that many tokens, the two special ones included.
std::string text_of(int tokens, int number) {
  std::string text = fmt::format("{}", number % 10);
  for (int word = 3; word < tokens; ++word) text += (word * number) % 3 == 0 ? " a" : " i";
  return text;
}

/// Texts of each of the lengths in turn.
Texts corpus(int count, const std::vector<int>& lengths) {
  Texts texts;
  for (int i = 0; i < count; ++i) texts.push_back(text_of(lengths[static_cast<std::size_t>(i) % lengths.size()], i));
  return texts;
}

/// Every measured number of a report.
std::vector<double> numbers(const CollapseReport& report) {
  std::vector<double> all;
  const auto add = [&all](auto... values) { (all.push_back(values), ...); };
  for (const auto* table : {&report.bucket_cosine, &report.cut_cosine}) {
    for (const auto& row : *table) {
      for (const CosineEstimate& cell : row) add(cell.mean, cell.low, cell.high);
    }
  }
  for (const auto& matrix : report.bucket_matrix) {
    for (const auto& row : matrix) {
      for (const auto& value : row) add(value.value_or(0));
    }
  }
  for (const GeometryEstimate& g : report.geometry) {
    add(g.effective_rank, g.isoscore, g.uniformity);
    all.insert(all.end(), g.spectrum.begin(), g.spectrum.end());
  }
  for (const auto& row : report.hubness) {
    for (const HubnessEstimate& h : row) add(h.mean, h.skewness, h.antihub_share);
  }
  for (const SlopeEstimate& s : report.query_length_slope) add(s.slope, s.low, s.high);
  for (const AttentionEstimate& a : report.attention) {
    add(a.logit_std, a.entropy, a.filter_rate, a.bound, a.above_bound);
  }
  for (const TokenEstimate& t : report.tokens) add(t.hc_ratio, t.token_cosine);
  for (const auto& shares : report.map.explained) add(shares[0], shares[1]);
  for (const MapText& text : report.map.texts) {
    for (const auto& at : text.at) add(at[0], at[1]);
    for (const auto& list : text.neighbors) {
      for (const Neighbor& neighbor : list) add(neighbor.cosine);
    }
  }
  add(report.findings.ratio.value_or(0), report.findings.explained_by_length.value_or(0));
  return all;
}

struct Corpus {
  const char* name;
  Texts texts;
  const char* words;  ///< of the verdict
  /// The cut lengths that the layers are probed at.
  std::vector<std::int64_t> cuts;
};

std::vector<Corpus> corpora() {
  return {
      {"none", {}, "There are no texts", {}},
      {"one empty", {""}, "There is one text; comparing needs two. No text is long enough to be cut", {}},
      {"one short", {text_of(9, 1)}, "does not have the 32 tokens", {4, 8}},
      {"one long", {text_of(64, 1)}, "There is one text", {32, 64}},
      {"two", {"a", "i"}, "Too few texts of different lengths", {}},
      {"two of two lengths", {text_of(5, 1), text_of(40, 2)}, "Too few texts of different lengths", {4}},
      {"two empty", {"", ""}, "No text is long enough to be cut", {}},
      {"equal", Texts(40, text_of(20, 3)), "No two texts have the 32 tokens", {4, 8, 16}},
      {"equal and long", Texts(40, text_of(40, 3)), "Too few texts of different lengths", {32}},
      {"one length", corpus(60, {40}), "Too few texts of different lengths", {32}},
      {"two lengths", corpus(60, {8, 60}), "", {32}},
      {"two equal texts of two lengths", corpus(1, {8}), "", {4, 8}},
      {"longer than the model reads", corpus(30, {70, 200}), "Too few texts of different lengths", {32, 64}},
      {"all short", corpus(200, {3, 5, 7, 9, 17}), "so texts are cut at 16 tokens at most", {4, 8, 16}},
  };
}

TEST(Inspect, HasAnAnswerInWordsAndFiniteNumbersForEveryCorpus) {
  const auto encoder = tiny_encoder();
  for (const Corpus& corpus : corpora()) {
    SCOPED_TRACE(corpus.name);
    InspectOptions options = quick_options();
    // A post-processing step needs texts that differ to be fitted on; the next test says what happens without.
    const bool differ = std::set<std::string>(corpus.texts.begin(), corpus.texts.end()).size() >= 4;
    if (!differ) options.posts.clear();
    const CollapseReport report = inspect_collapse(encoder, test::views(corpus.texts), options);
    EXPECT_EQ(report.texts, static_cast<std::int64_t>(corpus.texts.size()));
    EXPECT_NE(report.verdict.find(corpus.words), std::string::npos) << report.verdict;
    EXPECT_EQ(report.cut_lengths, corpus.cuts);
    EXPECT_EQ(report.attention.empty(), corpus.cuts.empty());
    for (const double number : numbers(report)) ASSERT_TRUE(std::isfinite(number)) << to_json(report);
    const auto json = nlohmann::json::parse(to_json(report));
    EXPECT_EQ(json.at("verdict").get<std::string>(), report.verdict);
    EXPECT_EQ(to_table(report).find("nan"), std::string::npos);
    EXPECT_EQ(to_table(report).find("inf"), std::string::npos);
  }
}

TEST(Inspect, AStepThatCannotBeFittedSaysSo) {
  const auto encoder = tiny_encoder();
  const auto fit = [&](const Texts& texts, const std::string& step) {
    InspectOptions options = quick_options();
    options.posts = {PostSpec::parse(step)};
    try {
      inspect_collapse(encoder, test::views(texts), options);
      ADD_FAILURE() << "no error for " << texts.size() << " texts";
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find(step), std::string::npos) << error.what();
    }
  };
  fit({}, "whitening");
  fit({"a"}, "whitening");
  fit(Texts(20, "the same"), "whitening");
  fit(Texts(20, "the same"), "centring");
}

TEST(Inspect, EqualTextsAreEntirelyAlike) {
  const auto encoder = tiny_encoder();
  InspectOptions options = quick_options();
  options.posts.clear();
  const auto report = inspect_collapse(encoder, test::views(Texts(40, text_of(20, 3))), options);
  const CosineEstimate& cell = report.bucket_cosine.front().front();
  EXPECT_EQ(cell.texts, 40);
  EXPECT_NEAR(cell.mean, 1, 1e-6);
  EXPECT_NEAR(cell.low, 1, 1e-6);
  EXPECT_NEAR(cell.high, 1, 1e-6);
  EXPECT_EQ(report.query_length_slope.front().queries, 0) << "one length has no slope";
}

TEST(Inspect, LengthsThatAreNotAskedForAreNotLookedInto) {
  const auto encoder = tiny_encoder();
  const Texts texts = corpus(60, {8, 12});
  InspectOptions options = quick_options();
  options.cut_lengths = {};
  auto report = inspect_collapse(encoder, test::views(texts), options);
  EXPECT_TRUE(report.cut_lengths.empty());
  EXPECT_EQ(report.verdict.find("cut"), std::string::npos) << report.verdict;
  options.cut_lengths = {6, 12, 64};
  report = inspect_collapse(encoder, test::views(texts), options);
  EXPECT_EQ(report.cut_lengths, (std::vector<std::int64_t>{6, 12}));
}

// Byte for byte: whoever compares two reports must see the model's differences, not the machine's.
TEST(Inspect, TheReportIsTheSameEveryTimeAndForEveryNumberOfThreads) {
  for (const char* family : {"bert", "mpnet", "modernbert"}) {
    Texts texts = corpus(210, {3, 9, 14, 30, 50, 64, 90});
    for (std::size_t i = 0; i < texts.size(); ++i) texts[i] += fmt::format(" harbour {} ferry {}", i * 37 % 101, i);
    InspectOptions options = quick_options();
    options.bucket_edges = {16, 32};
    options.cut_lengths = {8, 16, 32};
    options.sample = 40;
    const auto report = [&](int threads) {
      return to_json(inspect_collapse(tiny_encoder(threads, family), test::views(texts), options));
    };
    const std::string one = report(1);
    EXPECT_EQ(report(1), one) << family << " twice";
    for (const int threads : {2, 3}) EXPECT_EQ(report(threads), one) << family << " with " << threads << " threads";
    const auto encoder = tiny_encoder(2, family);
    const auto again = [&] { return to_json(inspect_collapse(encoder, test::views(texts), options)); };
    EXPECT_EQ(again(), again()) << family << " twice with one encoder";
  }
}

// The tiny models' sums are too short to depend on how rows are dealt to threads; those of a real model are not.
TEST(ModelInspect, TheReportIsTheSameForEveryNumberOfThreads) {
  const auto folder = source_path("models/all-MiniLM-L6-v2");
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << "run tools/fetch_model.py all-MiniLM-L6-v2";
  Texts texts;
  for (int i = 0; i < 60; ++i) {
    std::string& text = texts.emplace_back(fmt::format("The ferry {} leaves", i));
    for (int word = 0; word < i * 3; ++word) text += fmt::format(" pier {}", (word * i) % 17);
  }
  InspectOptions options = quick_options();
  options.probe_texts = 2;
  const auto report = [&](int threads) {
    const auto encoder = SentenceEncoder::load({.model = folder.string(), .threads = threads});
    return to_json(inspect_collapse(encoder, test::views(texts), options));
  };
  const std::string one = report(1);
  for (const int threads : {2, 3}) EXPECT_EQ(report(threads), one) << threads << " threads";
}

/// What a probe of its own sees of some of the sampled texts.
std::vector<AttentionEstimate> probed(const SentenceEncoder& encoder, const std::vector<SampledText>& sample,
                                      const std::vector<std::size_t>& chosen, std::int64_t length) {
  std::vector<std::string_view> texts;
  texts.reserve(chosen.size());
  for (const std::size_t i : chosen) texts.emplace_back(sample.at(i).text);
  LayerProbe probe({.length = length, .layers = {0, 1}}, [](std::int64_t count, const auto& body) {
    for (std::int64_t i = 0; i < count; ++i) body(i);
  });
  EncodeOptions options;
  options.max_length = length;
  EncoderAccess::observe(encoder, texts, options, probe);
  return probe.attention();
}

TEST(Inspect, LayersAreLookedIntoOnTextsFromAllOverTheSample) {
  const auto encoder = tiny_encoder();
  const Texts texts = corpus(300, {40, 5, 50, 64});
  InspectOptions options;
  options.bootstrap = 0;
  options.sample = 50;
  options.probe_texts = 4;
  options.cut_lengths = {8, 32};
  std::map<std::uint64_t, double> rates;
  for (const std::uint64_t seed : {1, 2}) {
    options.seed = seed;
    const auto report = inspect_collapse(encoder, test::views(texts), options);
    std::size_t next = 0;
    const auto source = [&](InspectText& text) {
      if (next == texts.size()) return false;
      text = {"", texts[next++]};
      return true;
    };
    const auto sample = draw_sample(encoder, source, options).cuts;
    ASSERT_EQ(sample.size(), 50U);
    // The middles of the sample's quarters.
    std::vector<AttentionEstimate> expected;
    for (const std::int64_t length : {8, 32}) {
      const auto part = probed(encoder, sample, {6, 18, 31, 43}, length);
      expected.insert(expected.end(), part.begin(), part.end());
    }
    ASSERT_EQ(report.attention.size(), expected.size());
    ASSERT_EQ(expected.size(), 2U * 2 * 5) << "lengths, layers, heads and their mean";
    for (std::size_t i = 0; i < expected.size(); ++i) {
      EXPECT_EQ(report.attention[i].layer, expected[i].layer);
      EXPECT_EQ(report.attention[i].head, expected[i].head);
      EXPECT_EQ(report.attention[i].length, expected[i].length);
      EXPECT_EQ(report.attention[i].texts, 4);
      EXPECT_NEAR(report.attention[i].filter_rate, expected[i].filter_rate, 1e-6);
      EXPECT_NEAR(report.attention[i].logit_std, expected[i].logit_std, 1e-6);
    }
    rates[seed] = report.attention.front().filter_rate;
  }
  EXPECT_NE(rates[1], rates[2]) << "another seed looks at other texts";
}

}  // namespace
}  // namespace treble::internal
