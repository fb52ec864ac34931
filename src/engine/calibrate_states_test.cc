// Norms of states: the median of the largest, and what the state control norm:FILE makes of them.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>

#include "diagnostics/state_probe.h"
#include "engine/encoder_access.h"
#include "engine/golden_support.h"
#include "engine/state_model.h"
#include "treble/calibrate.h"
#include "treble/error.h"

namespace treble::internal {
namespace {

using test::StateModel;

constexpr std::int64_t kTrained = 160;

/// The largest norm of the state of each layer and head over the tokens.
class NormKeeper : public AttentionObserver {
 public:
  void on_attention(std::int64_t, const PackedBatch&, const AttentionInputs&) override {}
  void on_hidden_states(std::int64_t, const PackedBatch&, ConstMatrixView) override {}
  void on_state(std::int64_t layer, const StateSample& sample) override {
    double squares = 0;
    for (std::int64_t row = 0; row < sample.state.rows; ++row) {
      for (std::int64_t col = 0; col < sample.state.cols; ++col) squares += std::pow(sample.state.row(row)[col], 2);
    }
    double& norm = largest[static_cast<std::size_t>(layer)][static_cast<std::size_t>(sample.head)];
    norm = std::max(norm, std::sqrt(squares));
  }

  bool sees_every_token() const override { return true; }

  std::vector<std::vector<double>> largest = {{0, 0, 0, 0}, {0, 0, 0, 0}};
};

std::vector<std::vector<double>> largest_norms(const SentenceEncoder& encoder, const std::string& text,
                                               std::int64_t tokens, const StateControl& control = {}) {
  NormKeeper keeper;
  AttentionObserver* observer = &keeper;
  EncodeOptions encode;
  encode.max_length = tokens;
  encode.state = control;
  const std::string_view view = text;
  EncoderAccess::observe_states(encoder, EncoderAccess::tokenize(encoder, {&view, 1}, encode), encode, {&observer, 1});
  return keeper.largest;
}

StateNorms calibrated(const SentenceEncoder& encoder, const std::vector<std::string>& texts,
                      std::optional<std::int64_t> training_length = kTrained) {
  const std::vector<std::string_view> views(texts.begin(), texts.end());
  return calibrate_state_norms(encoder, views, {.training_length = training_length});
}

/// Norms of the state of one head of the first layer, whose inputs no scan has touched, by the tokens it has read.
class NormsByToken : public AttentionObserver {
 public:
  explicit NormsByToken(bool every_token) : every_token_(every_token) {}
  void on_attention(std::int64_t, const PackedBatch&, const AttentionInputs&) override {}
  void on_hidden_states(std::int64_t, const PackedBatch&, ConstMatrixView) override {}
  void on_state(std::int64_t layer, const StateSample& sample) override {
    if (layer != 0 || sample.head != 0) return;
    EXPECT_TRUE(norms.emplace(sample.tokens, frobenius_norm(sample.state)).second);
    retention[sample.tokens] = sample.log_retention;
  }
  bool sees_every_token() const override { return every_token_; }

  std::map<std::int64_t, double> norms;
  std::map<std::int64_t, double> retention;

 private:
  bool every_token_;
};

TEST(StateNorms, ObserversMaySeeTheStateAfterEveryToken) {
  const StateModel model("norms_every");
  const SentenceEncoder encoder = model.load();
  const std::string text = StateModel::text(2500, 1);
  const std::string_view view = text;
  NormsByToken every(true);
  NormsByToken some(false);
  for (NormsByToken* one : {&every, &some}) {
    AttentionObserver* observer = one;
    EncoderAccess::observe_states(encoder, EncoderAccess::tokenize(encoder, {&view, 1}, {}), {}, {&observer, 1});
  }
  EXPECT_EQ(every.norms.size(), 2500U);
  EXPECT_EQ(some.norms.size(), 40U);
  for (const auto& [tokens, norm] : some.norms) {
    EXPECT_NEAR(every.norms.at(tokens), norm, 1e-5 * norm) << tokens;
    EXPECT_NEAR(every.retention.at(tokens), some.retention.at(tokens), 1e-9 * std::abs(some.retention.at(tokens)));
  }
}

TEST(StateNorms, AreTheMedianOverTextsOfTheLargestWithinTheTrainingLength) {
  const StateModel model("norms_median");
  const SentenceEncoder encoder = model.load();
  const std::vector<std::string> texts = {StateModel::text(400, 0), StateModel::text(160, 3), StateModel::text(50, 1),
                                          StateModel::text(200, 7)};
  const StateNorms norms = calibrated(encoder, texts);
  EXPECT_EQ(norms.texts, 3);
  EXPECT_EQ(norms.tokens, kTrained);
  EXPECT_EQ(norms.weights_sha256, encoder.weights_sha256());
  std::vector<std::vector<std::vector<double>>> each;
  for (const std::size_t text : {0U, 1U, 3U}) each.push_back(largest_norms(encoder, texts[text], kTrained));
  for (std::size_t layer = 0; layer < 2; ++layer) {
    for (std::size_t head = 0; head < 4; ++head) {
      std::vector<double> values = {each[0][layer][head], each[1][layer][head], each[2][layer][head]};
      std::sort(values.begin(), values.end());
      EXPECT_DOUBLE_EQ(norms.max_norms[layer][head], values[1]);
    }
  }
  const StateNorms even = calibrated(encoder, {texts[0], texts[1]});
  EXPECT_DOUBLE_EQ(even.max_norms[0][0], (each[0][0][0] + each[1][0][0]) / 2);
  EXPECT_EQ(calibrated(model.load(1), texts).max_norms, norms.max_norms);
}

TEST(StateNorms, LeaveATextWithinTheTrainingLengthAndBoundALongerOne) {
  const StateModel model("norms_bound");
  const SentenceEncoder encoder = model.load();
  const std::vector<std::string> texts = {StateModel::text(2000, 2)};
  const StateNorms norms = calibrated(encoder, texts);
  const auto control = StateControl::from_norms(norms, "norms.json");
  EncodeOptions within;
  within.max_length = kTrained;
  EncodeOptions held = within;
  held.state = control;
  const std::string_view text = texts.front();
  const Embeddings before = encoder.encode({&text, 1}, within);
  const Embeddings after = encoder.encode({&text, 1}, held);
  double dot = 0;
  double before_squares = 0;
  double after_squares = 0;
  for (std::size_t i = 0; i < before.values.size(); ++i) {
    dot += double{before.values[i]} * after.values[i];
    before_squares += double{before.values[i]} * before.values[i];
    after_squares += double{after.values[i]} * after.values[i];
  }
  EXPECT_GT(dot / std::sqrt(before_squares * after_squares), 0.999999);
  const auto untouched = largest_norms(encoder, texts.front(), 2000);
  const auto bounded = largest_norms(encoder, texts.front(), 2000, control);
  for (std::size_t layer = 0; layer < 2; ++layer) {
    for (std::size_t head = 0; head < 4; ++head) {
      EXPECT_LE(bounded[layer][head], norms.max_norms[layer][head] * (1 + 1e-5));
      if (head >= 2) continue;
      EXPECT_GT(untouched[layer][head], 2 * norms.max_norms[layer][head]);
    }
  }
}

TEST(StateNorms, WhatIsMissingIsNamedWithTheSizes) {
  const StateModel model("norms_missing");
  const SentenceEncoder encoder = model.load();
  const auto message = [](const std::function<void()>& body) {
    try {
      body();
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string("no error");
  };
  const std::vector<std::string> texts = {StateModel::text(100, 0), StateModel::text(120, 1)};
  EXPECT_NE(message([&] {
              calibrated(encoder, texts);
            }).find("none of the 2 texts has the 160 tokens of the training length, the longest has 120"),
            std::string::npos);
  EXPECT_NE(message([&] { calibrated(encoder, {}); }).find("none of the 0 texts"), std::string::npos);
  EXPECT_NE(message([&] { calibrated(encoder, texts, {}); }).find("give the training length"), std::string::npos);
  EXPECT_NE(message([&] { calibrated(model.load(1, 100), texts); }).find("160, the model reads 1 to 100 tokens"),
            std::string::npos);
  EXPECT_NE(message([&] { calibrated(encoder, texts, 0); }).find("training length 0"), std::string::npos);
  const auto bert =
      SentenceEncoder::load({.model = test::source_path("tests/golden/bert/model").string(), .threads = 1});
  EXPECT_NE(message([&] { calibrated(bert, texts); }).find("has no states"), std::string::npos);
  const std::vector<std::string_view> views(texts.begin(), texts.end());
  EXPECT_NE(message([&] { calibrate(encoder, views, {}); }).find("--state-norms"), std::string::npos);
}

}  // namespace
}  // namespace treble::internal
