// The trained model of tests/data/state-passkey: its scores of the next token against transformers, under controls
// against a twin in NumPy (studies/state_capacity/recurrence.py); very long texts in bounded memory.
#include "engine/language_model.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <cmath>

#include "engine/golden_support.h"
#include "treble/error.h"
#include "treble/tokens.h"

namespace treble::internal {
namespace {

constexpr double kTolerance = 2e-5;  // scores reach 20

SentenceEncoder load(int threads = 2) {
  return SentenceEncoder::load({.model = test::source_path("tests/data/state-passkey/model").string(),
                                .threads = threads,
                                .max_length = 1 << 24});
}

std::vector<std::int32_t> stored_ids(const TensorArchive& archive, const std::string& name) {
  const StoredTensor* tensor = archive.find(name);
  std::vector<std::int32_t> ids;
  for (std::size_t at = 0; at < tensor->bytes.size(); at += sizeof(std::int64_t)) {
    std::int64_t id = 0;
    std::memcpy(&id, tensor->bytes.data() + at, sizeof(id));
    ids.push_back(static_cast<std::int32_t>(id));
  }
  return ids;
}

double log_sum_exp(std::span<const float> logits) {
  const double largest = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float logit : logits) sum += std::exp(logit - largest);
  return std::log(sum) + largest;
}

TEST(LanguageModel, LossesAreThoseOfTransformersScores) {
  const auto archive = TensorArchive::open_file(test::source_path("tests/data/state-passkey/expected.safetensors"));
  const SentenceEncoder encoder = load();
  const LanguageModel model(encoder);
  for (const char* length : {"1", "65", "200"}) {
    const auto ids = stored_ids(archive, std::string("ids/") + length);
    const auto logits = test::read_golden(archive, std::string("logits/") + length);
    Reading reading;
    std::vector<double> losses;
    model.for_each(1, [&](std::int64_t, int worker) { losses = model.losses(worker, {}, ids, reading); });
    ASSERT_EQ(losses.size(), ids.size());
    EXPECT_TRUE(std::isnan(losses.front()));
    for (std::size_t i = 1; i < ids.size(); ++i) {
      const auto row = logits.view().row_span(static_cast<std::int64_t>(i) - 1);
      EXPECT_NEAR(losses[i], log_sum_exp(row) - row[static_cast<std::size_t>(ids[i])], kTolerance) << i;
    }
  }
}

TEST(LanguageModel, ScoresUnderControlsAreThoseOfTheTwin) {
  const auto archive = TensorArchive::open_file(test::source_path("tests/data/state-passkey/expected.safetensors"));
  const SentenceEncoder encoder = load();
  const LanguageModel model(encoder);
  const auto ids = stored_ids(archive, "ids/control");
  int compared = 0;
  for (const auto& [name, tensor] : archive.tensors()) {
    if (!name.starts_with("control/")) continue;
    const auto control = StateControl::parse(name.substr(std::string_view("control/").size()));
    const auto scores = test::read_golden(archive, name);
    Reading reading;
    std::vector<double> losses;
    model.for_each(1, [&](std::int64_t, int worker) { losses = model.losses(worker, control, ids, reading); });
    // The last five tokens' scores are of the four tokens behind them and of one that is not there.
    for (std::int64_t row = 0; row + 1 < scores.view().rows; ++row) {
      const auto token = ids.size() - static_cast<std::size_t>(scores.view().rows - 1 - row);
      const auto of = scores.view().row_span(row);
      EXPECT_NEAR(losses[token], log_sum_exp(of) - of[static_cast<std::size_t>(ids[token])], 1e-4) << name << row;
    }
    ++compared;
  }
  EXPECT_EQ(compared, 5);
}

TEST(LanguageModel, TokenByTokenIsAsAtOnce) {
  const SentenceEncoder encoder = load();
  const LanguageModel model(encoder);
  const auto ids = model.tokenize(
      "The passkey is 48213. Remember it. The grass is green. What is the passkey? The passkey is", "text");
  for (const char* written : {"none", "window:9", "rri:0.99,0.9", "norm:3"}) {
    const auto control = StateControl::parse(written);
    Reading at_once;
    Reading by_token;
    model.for_each(1, [&](std::int64_t, int worker) {
      model.read(worker, control, ids, at_once);
      for (const std::int32_t id : ids) model.read(worker, control, {&id, 1}, by_token);
    });
    ASSERT_EQ(at_once.last.size(), by_token.last.size());
    for (std::size_t i = 0; i < at_once.last.size(); ++i)
      EXPECT_NEAR(at_once.last[i], by_token.last[i], 1e-5) << written;
  }
  Reading reading;
  model.for_each(1, [&](std::int64_t, int worker) {
    model.read(worker, {}, ids, reading);
    EXPECT_EQ(model.decode(model.go_on(worker, {}, 5, reading)), "48213");
  });
}

TEST(LanguageModel, ModelsWithoutStatesAreRefused) {
  const auto encoder = SentenceEncoder::load({.model = test::source_path("tests/golden/llama/model").string()});
  EXPECT_THROW(LanguageModel{encoder}, Error);
}

/// Long enough to be read in segments; its vector is that of the whole, whatever the number of threads and the batch.
TEST(SegmentedTexts, HaveTheVectorsOfTheWhole) {
  const auto encoder = load(1);
  const auto two = load(2);
  const std::vector<std::int32_t> pattern =
      LanguageModel(encoder).tokenize("The sky is blue. The sun is yellow.", "text");
  TokenIds ids;
  while (ids.size() < 5000) ids.insert(ids.end(), pattern.begin(), pattern.end());
  const std::vector<TokenIds> lists = {ids, TokenIds(ids.begin(), ids.begin() + 40),
                                       TokenIds(ids.begin(), ids.begin() + 4097)};
  for (const char* state : {"none", "window:300", "rri:0.999,0.9"}) {
    EncodeOptions options;
    options.state = StateControl::parse(state);
    const auto together = encode_token_ids(encoder, lists, options);
    EncodeOptions one_batch = options;
    one_batch.batch_tokens = 1 << 20;
    const auto whole = encode_token_ids(two, lists, one_batch);
    for (std::int64_t text = 0; text < 3; ++text) {
      const auto alone = encode_token_ids(two, {&lists[static_cast<std::size_t>(text)], 1}, options);
      for (std::int64_t i = 0; i < whole.dim; ++i) {
        const auto at = static_cast<std::size_t>(i);
        // Relative beyond 1: products of other numbers of rows may sum in another order.
        const float close = 1e-6F * std::max(1.0F, std::abs(alone.row(0)[at]));
        EXPECT_NEAR(together.row(text)[at], alone.row(0)[at], close) << state << text;
        EXPECT_NEAR(whole.row(text)[at], alone.row(0)[at], close) << state << text;
      }
    }
  }
}

/// KiB of the largest resident set so far.
long peak_kib() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss;
}

TEST(SegmentedTexts, AMillionTokensTakeNoMoreMemoryThanSome) {
  const auto encoder = load();
  const auto encode = [&](std::size_t tokens) {
    const TokenIds ids(tokens, 7);
    const auto vector = encode_token_ids(encoder, {&ids, 1}).values;
    EXPECT_TRUE(std::all_of(vector.begin(), vector.end(), [](float value) { return std::isfinite(value); }));
  };
  encode(20'000);
  const long before = peak_kib();
  encode(1'000'000);
  // The ids themselves: 4 bytes a token, in the list, in the call and in its batch.
  EXPECT_LE(peak_kib() - before, 24'000);
}

}  // namespace
}  // namespace treble::internal
