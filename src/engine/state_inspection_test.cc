// States in an inspection: every number against a recomputation from the states that an observer is shown, and collapse
// found where a model is made to collapse.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <tuple>

#include "engine/encoder_access.h"
#include "engine/golden_support.h"
#include "engine/state_model.h"
#include "treble/collapse_report.h"
#include "treble/error.h"

namespace treble::internal {
namespace {

using test::StateModel;

constexpr std::int64_t kTrained = 128;

InspectOptions quick_options() {
  InspectOptions options;
  options.bootstrap = 50;
  options.training_length = kTrained;
  return options;
}

std::vector<std::string> some_texts(const std::vector<int>& lengths) {
  std::vector<std::string> texts;
  for (const int length : lengths) texts.push_back(StateModel::text(length, static_cast<int>(texts.size())));
  return texts;
}

std::vector<std::string_view> views(const std::vector<std::string>& texts) { return {texts.begin(), texts.end()}; }

CollapseReport inspect(const SentenceEncoder& encoder, const std::vector<std::string>& texts,
                       const InspectOptions& options) {
  return inspect_collapse(encoder, views(texts), options);
}

std::string message_of(const std::function<void()>& body, ErrorCode code) {
  try {
    body();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    return error.what();
  }
  return "no error";
}

using Place = std::tuple<std::int64_t, std::int64_t, std::int64_t>;  ///< layer, head, tokens

/// Keeps the states themselves.
class StateKeeper : public AttentionObserver {
 public:
  void on_attention(std::int64_t, const PackedBatch&, const AttentionInputs&) override {}
  void on_hidden_states(std::int64_t, const PackedBatch&, ConstMatrixView) override {}
  void on_state(std::int64_t layer, const StateSample& sample) override {
    auto& values = states[{layer, sample.head, sample.tokens}];
    for (std::int64_t row = 0; row < sample.state.rows; ++row) {
      values.insert(values.end(), sample.state.row(row), sample.state.row(row) + sample.state.cols);
    }
    log_retention[{layer, sample.head, sample.tokens}] = sample.log_retention;
  }

  std::map<Place, std::vector<float>> states;
  std::map<Place, double> log_retention;
};

std::vector<StateKeeper> keep_states(const SentenceEncoder& encoder, const std::vector<std::string>& texts,
                                     const StateControl& control) {
  std::vector<StateKeeper> keepers(texts.size());
  std::vector<AttentionObserver*> observers;
  for (StateKeeper& keeper : keepers) observers.push_back(&keeper);
  EncodeOptions encode;
  encode.state = control;
  EncoderAccess::observe_states(encoder, EncoderAccess::tokenize(encoder, views(texts), encode), encode, observers);
  return keepers;
}

/// In two passes.
StateEstimate naive(const StateKeeper& keeper, const Place& place) {
  const std::vector<float>& state = keeper.states.at(place);
  StateEstimate estimate;
  for (const float value : state) estimate.mean += double{value} / static_cast<double>(state.size());
  double squares = 0;
  for (const float value : state) {
    estimate.variance += std::pow(value - estimate.mean, 2) / static_cast<double>(state.size());
    squares += double{value} * value;
  }
  estimate.rms = std::sqrt(squares / static_cast<double>(state.size()));
  estimate.retention = std::exp(keeper.log_retention.at(place));
  return estimate;
}

/// Means over the texts that are as long; their number in `texts`.
StateEstimate naive_mean(const std::vector<StateKeeper>& keepers, const Place& place, std::int64_t& texts) {
  StateEstimate sum;
  texts = 0;
  for (const StateKeeper& keeper : keepers) {
    if (!keeper.states.contains(place)) continue;
    const StateEstimate one = naive(keeper, place);
    sum.mean += one.mean;
    sum.variance += one.variance;
    sum.rms += one.rms;
    sum.retention += one.retention;
    ++texts;
  }
  const auto count = static_cast<double>(texts);
  return {sum.mean / count, sum.variance / count, sum.rms / count, sum.retention / count};
}

void expect_close(double got, double expected) { EXPECT_NEAR(got, expected, 1e-9 + 1e-6 * std::abs(expected)); }

TEST(StateInspection, EveryNumberEqualsANaiveRecomputation) {
  const StateModel model("states_naive");
  const SentenceEncoder encoder = model.load();
  const auto texts = some_texts({700, 333, 64, 512});
  InspectOptions options = quick_options();
  options.states = {StateControl::parse("rri:0.99,0.75"), StateControl::parse("window:100")};
  const CollapseReport report = inspect(encoder, texts, options);
  ASSERT_TRUE(report.states);
  const StateReport& states = *report.states;
  EXPECT_EQ(report.settings, (std::vector<std::string>{"none", "rri:0.99,0.75", "window:100"}));
  EXPECT_EQ(report.states_canonical, report.settings);
  EXPECT_EQ(report.num_states, 3);
  EXPECT_EQ(report.num_temperatures, 0);
  EXPECT_EQ(states.longest_text, 700);
  ASSERT_EQ(states.positions.size(), 10U);
  EXPECT_EQ(states.positions.back(), 640);
  ASSERT_EQ(states.heads.size(), 3U * 2 * 4);
  for (std::size_t setting = 0; setting < report.settings.size(); ++setting) {
    const auto keepers = keep_states(encoder, texts, StateControl::parse(report.settings[setting]));
    for (const StateHead& head : states.heads) {
      if (head.setting != static_cast<std::int64_t>(setting)) continue;
      double trained = 0;
      double largest = 0;
      std::optional<std::int64_t> collapse;
      for (std::size_t i = 0; i < states.positions.size(); ++i) {
        std::int64_t count = 0;
        const StateEstimate expected = naive_mean(keepers, {head.layer, head.head, states.positions[i]}, count);
        EXPECT_EQ(states.texts[i], count);
        expect_close(head.at[i].mean, expected.mean);
        expect_close(head.at[i].variance, expected.variance);
        expect_close(head.at[i].rms, expected.rms);
        expect_close(head.at[i].retention, expected.retention);
        const bool beyond = states.positions[i] > kTrained;
        if (!beyond) trained = std::max(trained, expected.variance);
        if (beyond) largest = std::max(largest, expected.variance / trained);
        if (beyond && !collapse && expected.variance > 10 * trained) collapse = states.positions[i];
      }
      ASSERT_TRUE(head.growth);
      expect_close(head.growth->trained_variance, trained);
      expect_close(head.growth->largest, largest);
      EXPECT_EQ(head.growth->collapse, collapse);
    }
  }
}

TEST(StateInspection, CollapseIsFoundInTheHeadsThatDoNotForget) {
  const StateModel model("states_collapse");
  const auto texts = some_texts({1500, 1600, 1700});
  InspectOptions options = quick_options();
  options.states = {StateControl::parse("window:128")};
  const CollapseReport report = inspect(model.load(), texts, options);
  const StateReport& states = *report.states;
  for (const StateHead& head : states.heads) {
    ASSERT_TRUE(head.growth);
    EXPECT_EQ(head.growth->collapse.has_value(), head.setting == 0 && head.head < 2)
        << head.setting << " " << head.layer << " " << head.head;
  }
  const StateFinding& untouched = states.findings.at(0);
  ASSERT_TRUE(untouched.collapse);
  EXPECT_GT(*untouched.collapse, kTrained);
  EXPECT_LT(*untouched.collapse, 1500);
  EXPECT_EQ(untouched.collapsed_heads, 4);
  EXPECT_GT(untouched.worst->largest, 10);
  EXPECT_LT(untouched.head, 2);
  EXPECT_FALSE(states.findings.at(1).collapse);
  for (const StateLayer& layer : states.layers) EXPECT_EQ(layer.growth->collapse.has_value(), layer.setting == 0);
  EXPECT_NE(report.verdict.find("States grow from token "), std::string::npos) << report.verdict;
  EXPECT_NE(
      report.verdict.find(
          "within the 128 tokens of training; 4 of 8 heads go beyond 10 times); with window:128 they stay within"),
      std::string::npos)
      << report.verdict;
  ASSERT_FALSE(report.advice.empty());
  EXPECT_NE(report.advice.back().find("window:128 holds the states best"), std::string::npos);
  const std::string table = to_table(report);
  EXPECT_NE(table.find("collapse from"), std::string::npos);
  EXPECT_EQ(table.find("Attention"), std::string::npos);
  EXPECT_EQ(table.find("tau"), std::string::npos);
  EXPECT_EQ(to_json(report), to_json(inspect(model.load(1), texts, options)));
}

TEST(StateInspection, LongTextsAreThinnedToFewPositions) {
  const StateModel model("states_long");
  const CollapseReport report = inspect(model.load(), some_texts({40'000, 200}), quick_options());
  const StateReport& states = *report.states;
  EXPECT_LE(states.positions.size(), 65U);
  EXPECT_EQ(states.positions.front(), 64);
  EXPECT_EQ(states.positions.back(), 40'000 / 64 * 64);
  EXPECT_TRUE(std::is_sorted(states.positions.begin(), states.positions.end()));
  EXPECT_EQ(states.texts.front(), 2);
  EXPECT_EQ(states.texts.back(), 1);
  for (const StateHead& head : states.heads) EXPECT_EQ(head.at.size(), states.positions.size());
  // Retention of a head that forgets falls to nothing, and is written all the same.
  const auto json = nlohmann::json::parse(to_json(report));
  EXPECT_EQ(json.at("states").at("heads").at(3).at("retention").size(), states.positions.size());
}

TEST(StateInspection, WithoutATrainingLengthNothingIsSaidOfGrowth) {
  const StateModel model("states_unknown");
  InspectOptions options = quick_options();
  options.training_length.reset();
  const CollapseReport unknown = inspect(model.load(), some_texts({600, 300}), options);
  for (const StateHead& head : unknown.states->heads) EXPECT_FALSE(head.growth);
  EXPECT_FALSE(unknown.states->training_length);
  EXPECT_NE(unknown.verdict.find("is unknown (--training-length N)"), std::string::npos) << unknown.verdict;
  options.training_length = 600;
  EXPECT_NE(inspect(model.load(), some_texts({600, 300}), options)
                .verdict.find("the longest text that was looked at has 600 tokens"),
            std::string::npos);
  EXPECT_NE(inspect(model.load(), some_texts({60, 30}), options).verdict.find("long enough to look at its states"),
            std::string::npos);
  EXPECT_NE(inspect(model.load(), {}, options).verdict, "");
  options.layers = std::vector<std::int64_t>{};
  EXPECT_FALSE(inspect(model.load(), some_texts({600, 300}), options).states);
}

TEST(StateInspection, TheModelsOwnLimitIsTheTrainingLengthUnlessOneIsAskedFor) {
  const StateModel model("states_stated", 192);
  InspectOptions options = quick_options();
  options.training_length.reset();
  const auto texts = some_texts({600, 300});
  const CollapseReport stated = inspect(model.load(2, 1024), texts, options);
  EXPECT_EQ(stated.states->training_length, 192);
  EXPECT_EQ(stated.states->training_length_source, "model_max_length of tokenizer_config.json");
  EXPECT_EQ(stated.states->longest_text, 600);
  options.training_length = 64;
  const CollapseReport asked = inspect(model.load(2, 1024), texts, options);
  EXPECT_EQ(asked.states->training_length, 64);
  EXPECT_EQ(asked.states->training_length_source, "asked for");
}

TEST(StateInspection, LayersAreChosenAndWhatDoesNotApplyIsRefused) {
  const StateModel model("states_refused");
  const SentenceEncoder encoder = model.load();
  const auto texts = some_texts({300, 200});
  InspectOptions options = quick_options();
  options.layers = std::vector<std::int64_t>{1};
  const CollapseReport report = inspect(encoder, texts, options);
  for (const StateHead& head : report.states->heads) EXPECT_EQ(head.layer, 1);
  options.temperatures = {Temperature::parse("0.8")};
  EXPECT_NE(message_of([&] { inspect(encoder, texts, options); }, ErrorCode::unsupported)
                .find("temperature 0.8 would change nothing"),
            std::string::npos);
  options = quick_options();
  options.training_length = 0;
  EXPECT_NE(message_of([&] { inspect(encoder, texts, options); }, ErrorCode::invalid_argument).find("training_length"),
            std::string::npos);
  const auto bert =
      SentenceEncoder::load({.model = test::source_path("tests/golden/bert/model").string(), .threads = 1});
  options = quick_options();
  EXPECT_NE(message_of([&] { inspect(bert, {"a"}, options); }, ErrorCode::unsupported).find("has no states"),
            std::string::npos);
  options.training_length.reset();
  options.states = {StateControl::parse("window:9")};
  EXPECT_NE(message_of([&] { inspect(bert, {"a"}, options); }, ErrorCode::unsupported)
                .find("state control window:9 (EncodeOptions::state) would change nothing"),
            std::string::npos);
  EXPECT_FALSE(inspect(bert, {"a"}, {}).states);
}

}  // namespace
}  // namespace treble::internal
