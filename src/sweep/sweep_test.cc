#include "treble/sweep.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <stop_token>

#include "base/test_folder.h"
#include "engine/suite_encoder.h"
#include "sweep/text_side.h"
#include "treble/error.h"
#include "treble/tokens.h"

namespace treble::internal {
namespace {

class SweepTest : public test::EncoderSuite {
 protected:
  static std::string text(std::size_t number, std::size_t words) {
    const std::vector<std::string> vocabulary = {"harbour", "letter", "ship",  "sea",
                                                 "evening", "lamp",   "north", "wind"};
    std::string result;
    for (std::size_t i = 0; i < words; ++i) result += vocabulary[(number * 5 + i * (number % 3 + 1)) % 8] + " ";
    return result + fmt::format("{}", number);
  }
  static SweepData retrieval() {
    RetrievalData data;
    for (std::size_t i = 0; i < 40; ++i) {
      data.document_ids.push_back(fmt::format("d{}", i));
      data.documents.push_back(text(i, 4 + i));
      data.query_ids.push_back(fmt::format("q{}", i));
      data.queries.push_back(text(i, 3));
      data.relevant.push_back({{static_cast<std::int64_t>(i), 1.0}});
    }
    return {.name = "forty", .data = std::move(data)};
  }
  static SweepData pairs() {
    PairData data;
    for (std::size_t i = 0; i < 30; ++i) {
      data.first.push_back(text(i, 5));
      data.second.push_back(text(i + i % 4, 6));
      data.scores.push_back(static_cast<double>(4 - i % 4) + 0.5);
    }
    return {.name = "thirty", .data = std::move(data)};
  }
  /// One temperature, few resamples.
  static SweepOptions quick() {
    SweepOptions options;
    options.temperatures = {Temperature::parse("0.8")};
    options.baselines = std::vector<SweepBaseline>{};
    options.held_out.resamples = 50;
    return options;
  }
  static std::string error_of(SweepData data, const SweepOptions& options, ErrorCode code) {
    try {
      sweep(*encoder_, std::move(data), options);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), code) << error.what();
      return error.what();
    }
    return "no error";
  }
};

TEST_F(SweepTest, TheReportHasEverySettingAndIsDeterministic) {
  SweepOptions options = quick();
  options.baselines = {parse_sweep_baseline("centring"), parse_sweep_baseline("chunk-mean:16")};
  const SweepReport report = sweep(*encoder_, retrieval(), options);
  std::vector<std::string> names;
  for (const SweepSetting& setting : report.settings) names.push_back(setting.name());
  EXPECT_EQ(names, (std::vector<std::string>{"1", "chunk-mean:16", "0.8", "0.8 + chunk-mean:16", "centring"}));
  EXPECT_EQ(report.metric, "nDCG@10");
  EXPECT_EQ(report.items, 40U);
  EXPECT_EQ(report.held_out.settings[0].gain.value, 0);
  EXPECT_EQ(report.overlap[0], 1.0);
  EXPECT_NE(report.verdict.find("40 items, 5 settings."), std::string::npos);
  const auto json = nlohmann::json::parse(to_json(report));
  EXPECT_EQ(json.at("kind"), "sweep");
  EXPECT_EQ(json.at("verdict"), report.verdict);
  EXPECT_EQ(json.at("provenance").at("dim"), encoder_->info().dim);
  EXPECT_EQ(json.at("settings").at(1).at("value"), report.held_out.settings[1].value);
  std::size_t bucketed = 0;
  for (const SweepBucket& bucket : report.buckets) bucketed += bucket.items;
  EXPECT_EQ(bucketed, 40U);
  EXPECT_NE(to_table(report).find("chunk-mean:16"), std::string::npos);
  EXPECT_EQ(to_json(report), to_json(sweep(*encoder_, retrieval(), options)));
}

TEST_F(SweepTest, PairsAreJudgedByCorrelation) {
  const SweepReport report = sweep(*encoder_, pairs(), quick());
  EXPECT_EQ(report.metric, "Spearman");
  EXPECT_EQ(report.overlap[1], std::nullopt);
  EXPECT_TRUE(report.other_metrics[1].empty());
}

TEST_F(SweepTest, AnotherFormOfTheModelIsTriedAtEveryTemperature) {
  const SentenceEncoder rounded =
      SentenceEncoder::load({.model = std::string(TREBLE_SOURCE_DIR) + "/tests/golden/bert/model",
                             .threads = 1,
                             .dtype = ComputeType::bfloat16});
  SweepOptions options = quick();
  options.variants = {{"bfloat16", &rounded}};
  const SweepReport report = sweep(*encoder_, pairs(), options);
  ASSERT_EQ(report.settings.size(), 4U);
  EXPECT_EQ(report.settings[2].name(), "bfloat16");
  EXPECT_EQ(report.settings[3].name(), "0.8 + bfloat16");
  EXPECT_EQ(nlohmann::json::parse(to_json(report)).at("form_provenance").at("bfloat16").at("compute_dtype"),
            "bfloat16");
}

TEST_F(SweepTest, ProgressCountsEveryTextOnceASetting) {
  SweepOptions options = quick();
  std::int64_t last = -1;
  bool judged = false;
  options.progress = [&](const Progress& progress) {
    if (progress.stage == "judging") {
      judged = true;
      return;
    }
    EXPECT_EQ(progress.stage, "encoding");
    EXPECT_EQ(progress.total, 2 * 80);
    EXPECT_GE(progress.done, last);
    EXPECT_FALSE(judged);
    last = progress.done;
  };
  sweep(*encoder_, retrieval(), options);
  EXPECT_EQ(last, 2 * 80);
  EXPECT_TRUE(judged);
}

TEST_F(SweepTest, TextsThatFitAreEncodedOnceAndPiecesReadAllOfTheOthers) {
  SweepOptions options = quick();
  options.temperatures = std::vector<Temperature>{};
  options.encode.max_length = 20;
  options.baselines = {parse_sweep_baseline("chunk-mean:16"), parse_sweep_baseline("chunk-max:20")};
  const SweepReport all = sweep(*encoder_, retrieval(), options);
  // Alone each setting has the same values: sharing changes no bit.
  for (std::size_t s : {1U, 2U}) {
    options.baselines = {parse_sweep_baseline(all.settings[s].name())};
    EXPECT_EQ(sweep(*encoder_, retrieval(), options).held_out.settings[1].value, all.held_out.settings[s].value);
  }
  const SweepReading& read = all.documents_read.front();
  EXPECT_EQ(read.texts, 40);
  EXPECT_GT(read.cut, 10);
  EXPECT_LT(read.read, read.tokens);
  for (std::size_t s : {1U, 2U}) {
    EXPECT_EQ(all.documents_read[s].read, read.tokens);
    EXPECT_EQ(all.documents_read[s].cut, 0);
  }
  EXPECT_GT(all.buckets.back().min_tokens, 20) << "by what texts have, not by what is read";
}

TEST_F(SweepTest, TextsAreTokenizedOnceForEveryLimit) {
  std::vector<std::string> texts = {text(1, 9), text(2, 3), text(3, 20)};
  TextSide side(texts);
  const std::vector<std::size_t> all = {0, 1, 2};
  const EncodeOptions cut{.max_length = 8};
  const auto ids = [&](const std::vector<std::size_t>& indices, const EncodeOptions& options) {
    std::vector<TokenIds> lists;
    for (const TokenizedText& read : side.read(indices, *encoder_, "", options)) lists.push_back(read.ids);
    return lists;
  };
  const auto before = ids(all, cut);
  EXPECT_EQ(before, token_ids(*encoder_, side.views(all), cut));
  texts[1] = text(4, 5);  // A text that is there is not read again …
  EXPECT_EQ(ids({2, 1}, cut), (std::vector<TokenIds>{before[2], before[1]}));
  // … but with another limit it is.
  EXPECT_EQ(ids(all, {}), token_ids(*encoder_, side.views(all)));
}

TEST_F(SweepTest, AStoppedSweepResumesFromItsCache) {
  const test::TestFolder folder;
  SweepOptions options = quick();
  const std::string whole = to_json(sweep(*encoder_, retrieval(), options));
  std::stop_source stop;
  options.stop = stop.get_token();
  options.progress = [&stop](const Progress& progress) {
    if (progress.done > 0) stop.request_stop();
  };
  EXPECT_NE(error_of(retrieval(), options, ErrorCode::interrupted).find("SweepOptions::cache"), std::string::npos);
  stop = std::stop_source();
  options.stop = stop.get_token();
  options.cache = folder.path();
  const std::string message = error_of(retrieval(), options, ErrorCode::interrupted);
  EXPECT_EQ(message.find("stopped with 0 of 2 settings encoded: 40 vectors are kept in "), 0U) << message;
  options.stop = {};
  options.progress = {};
  EXPECT_EQ(to_json(sweep(*encoder_, retrieval(), options)), whole);
}

TEST_F(SweepTest, OptionsThatTheDataGivesNoMeaningToAreErrors) {
  SweepOptions options = quick();
  options.side = SweepSide::query;
  EXPECT_NE(error_of(pairs(), options, ErrorCode::invalid_argument).find("SweepOptions::side query"),
            std::string::npos);
  options = quick();
  options.query_prompt.text = "q: ";
  EXPECT_NE(error_of(pairs(), options, ErrorCode::invalid_argument).find("thirty holds pairs"), std::string::npos);
  options = quick();
  options.ignore_identical_ids = true;
  EXPECT_NE(error_of(retrieval(), options, ErrorCode::invalid_argument).find("forty has no ids"), std::string::npos);
  options = quick();
  options.variants = {{"missing", nullptr}};
  EXPECT_NE(error_of(pairs(), options, ErrorCode::invalid_argument).find("\"missing\" has no encoder"),
            std::string::npos);
  options = quick();
  options.held_out.folds = 21;
  EXPECT_NE(
      error_of(retrieval(), options, ErrorCode::invalid_argument).find("40 items cannot be divided into 21 folds"),
      std::string::npos);
}

TEST_F(SweepTest, DefaultBaselinesThatCannotBeFittedAreSkippedAndGivenOnesAreErrors) {
  SweepOptions options = quick();
  // All texts are cut to one length, so there is no direction of length.
  options.encode.max_length = 6;
  options.baselines.reset();
  const SweepReport report = sweep(*encoder_, pairs(), options);
  ASSERT_FALSE(report.skipped.empty());
  EXPECT_EQ(report.skipped.back().find("length-direction: "), 0U) << report.skipped.back();
  options.baselines = {parse_sweep_baseline("length-direction")};
  EXPECT_NE(error_of(pairs(), options, ErrorCode::invalid_argument), "no error");
}

TEST(SweepNotes, SayWhatTheDataLacks) {
  RetrievalData data;
  data.queries = {"q"};
  data.relevant = {{{-1, 1.0}}};
  data.counts = {
      .repeated = 2, .missing_relevant = 1, .missing_documents = 1, .first_missing = "d9", .queries_left_out = 3};
  const auto notes = data_notes({.name = "x", .data = data}, true);
  ASSERT_EQ(notes.size(), 5U);
  EXPECT_EQ(notes[0].find("only 1 independent queries"), 0U) << notes[0];
  EXPECT_EQ(notes[1].find("2 judgements are of a query and document"), 0U);
  EXPECT_NE(notes[2].find("\"d9\""), std::string::npos);
  EXPECT_EQ(notes[3].find("3 of 4 judged queries"), 0U);
  EXPECT_EQ(notes[4].find("SweepOptions::ignore_identical_ids changes nothing"), 0U);
  EXPECT_EQ(data_notes({.name = "x", .data = PairData{}}, false).size(), 1U) << "no pairs at all";
}

TEST(SweepNotes, SayWhatHangsTogether) {
  RetrievalData data;
  for (int query = 0; query < 40; ++query) {
    data.queries.push_back("query " + std::to_string(query == 39 ? 38 : query));
    data.relevant.push_back({{query / 2, 1.0}});
  }
  const auto notes = data_notes({.name = "x", .data = data}, false);
  ASSERT_EQ(notes.size(), 4U);
  EXPECT_EQ(notes[0].find("only 20 independent queries"), 0U) << notes[0];
  EXPECT_EQ(notes[1].find("1 of 40 queries repeat"), 0U) << notes[1];
  EXPECT_EQ(notes[2].find("40 of 40 queries look for a document"), 0U) << notes[2];
  EXPECT_EQ(notes[3].find("40 queries make 20 groups"), 0U) << notes[3];
  data.groups.assign(40, "one");
  data.groups[7] = "another";
  EXPECT_NE(data_notes({.name = "x", .data = data}, false).back().find("make 2 groups"), std::string::npos);
}

}  // namespace
}  // namespace treble::internal
