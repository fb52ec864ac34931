// What a caller may rely on: independence from companions, defined results at the edges, clear errors.
#include "treble/sentence_encoder.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <thread>

#include "engine/golden_support.h"
#include "engine/model_copy.h"
#include "engine/sample_texts.h"
#include "treble/error.h"

namespace treble::internal {
namespace {

using test::difference;
using test::error_of;
using test::kInvariance;
using test::mixed_texts;
using test::model_path;
using test::ModelCopy;
using test::source_path;
using test::words;
using Texts = std::vector<std::string>;

class Invariance : public ::testing::TestWithParam<std::string> {
 protected:
  SentenceEncoder load(int threads) const {
    return SentenceEncoder::load({.model = model_path(GetParam()), .threads = threads});
  }
};

TEST_P(Invariance, AloneIsAsInABatch) {
  const auto encoder = load(2);
  const auto texts = mixed_texts();
  const auto together = encoder.encode(test::views(texts));
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const std::vector<std::string_view> one = {texts[i]};
    const auto alone = encoder.encode(one);
    const ConstMatrixView row(together.values.data() + static_cast<std::int64_t>(i) * together.dim, 1, together.dim);
    EXPECT_LE(test::max_abs_difference({alone.values.data(), 1, alone.dim}, row), kInvariance) << i;
  }
}

TEST_P(Invariance, OrderBatchSizeAndThreadsDoNotMatter) {
  const auto texts = mixed_texts();
  const auto encoder = load(1);
  const auto plain = encoder.encode(test::views(texts));
  for (const std::int64_t batch_tokens : {1, 7, 50, 400, 100000}) {
    EncodeOptions options;
    options.batch_tokens = batch_tokens;
    EXPECT_LE(difference(plain, encoder.encode(test::views(texts), options)), kInvariance) << batch_tokens;
  }
  for (const int threads : {2, 3, 8}) {
    EXPECT_LE(difference(plain, load(threads).encode(test::views(texts))), kInvariance) << threads;
  }
  auto reversed = texts;
  std::reverse(reversed.begin(), reversed.end());
  auto backwards = encoder.encode(test::views(reversed));
  for (std::int64_t i = 0; i < plain.count; ++i) {
    const ConstMatrixView row(plain.values.data() + i * plain.dim, 1, plain.dim);
    const ConstMatrixView other(backwards.values.data() + (plain.count - 1 - i) * plain.dim, 1, plain.dim);
    EXPECT_LE(test::max_abs_difference(row, other), kInvariance);
  }
}

INSTANTIATE_TEST_SUITE_P(Families, Invariance, ::testing::Values("bert", "roberta", "distilbert", "mpnet"));

TEST(SentenceEncoder, AHundredEqualTextsGiveEqualVectors) {
  const auto encoder = SentenceEncoder::load({.model = model_path("bert"), .threads = 2});
  const Texts texts(100, "test test");
  const auto all = encoder.encode(test::views(texts));
  const std::vector<std::string_view> one = {texts.front()};
  const auto alone = encoder.encode(one);
  for (std::int64_t i = 0; i < all.count; ++i) {
    EXPECT_LE(
        test::max_abs_difference({all.values.data() + i * all.dim, 1, all.dim}, {alone.values.data(), 1, all.dim}),
        kInvariance);
  }
}

TEST(SentenceEncoder, NoTextsGiveNoVectors) {
  const auto encoder = SentenceEncoder::load({.model = model_path("bert")});
  const auto none = encoder.encode({});
  EXPECT_EQ(none.count, 0);
  EXPECT_EQ(none.dim, 32);
  EXPECT_TRUE(none.values.empty());
}

TEST(SentenceEncoder, EmptyAndOneTokenTextsAreDefined) {
  const auto encoder = SentenceEncoder::load({.model = model_path("bert")});
  const std::vector<std::string_view> texts = {"", "   ", "a"};
  const auto vectors = encoder.encode(texts);
  EXPECT_EQ(vectors.token_counts[0].tokens, 2) << "the special tokens alone";
  EXPECT_EQ(vectors.token_counts[2].tokens, 3);
  EXPECT_TRUE(std::equal(vectors.values.begin(), vectors.values.begin() + 32, vectors.values.begin() + 32));
  for (const float value : vectors.values) EXPECT_TRUE(std::isfinite(value));
}

TEST(SentenceEncoder, LongTextsAreCutAndSayIt) {
  const auto encoder = SentenceEncoder::load({.model = model_path("bert")});
  const std::string head(300, 'a');
  const std::string text = words(200);
  const std::vector<std::string_view> texts = {text};
  EncodeOptions options;
  const auto end = encoder.encode(texts, options);
  EXPECT_EQ(end.token_counts[0].tokens, 202);
  EXPECT_EQ(end.token_counts[0].used, 64);
  options.truncation = Truncation::error;
  const auto message = error_of([&] { encoder.encode(texts, options); });
  EXPECT_EQ(message.find("text_too_long: text 0: "), 0U) << message;
  EXPECT_NE(message.find("202"), std::string::npos) << message;
  EXPECT_NE(message.find("64"), std::string::npos) << message;
}

TEST(SentenceEncoder, TruncationKeepsTheEndThatWasAskedFor) {
  const auto encoder = SentenceEncoder::load({.model = model_path("bert")});
  std::string head;
  for (int i = 0; i < 62; ++i) head += "a ";
  std::string tail;
  for (int i = 0; i < 62; ++i) tail += "b ";
  const std::string both = head + tail;
  const std::vector<std::string_view> parts = {head, tail};
  const std::vector<std::string_view> whole = {both};
  const auto expected = encoder.encode(parts);
  EncodeOptions options;
  const auto end = encoder.encode(whole, options);
  options.truncation = Truncation::start;
  const auto start = encoder.encode(whole, options);
  EXPECT_LE(test::max_abs_difference({end.values.data(), 1, 32}, {expected.values.data(), 1, 32}), kInvariance);
  EXPECT_LE(test::max_abs_difference({start.values.data(), 1, 32}, {expected.values.data() + 32, 1, 32}), kInvariance);
}

TEST(SentenceEncoder, MaxLengthGoesUpToThePositionTable) {
  const auto encoder = SentenceEncoder::load({.model = model_path("bert"), .max_length = 96});
  EXPECT_EQ(encoder.info().max_length, 96);
  const std::string text = words(200);
  const std::vector<std::string_view> texts = {text};
  EXPECT_EQ(encoder.encode(texts).token_counts[0].used, 96);
  const auto message = error_of([] { SentenceEncoder::load({.model = model_path("bert"), .max_length = 97}); });
  EXPECT_NE(message.find("97"), std::string::npos) << message;
  EXPECT_NE(message.find("96"), std::string::npos) << message;
  EXPECT_EQ(error_of([] { SentenceEncoder::load({.model = model_path("bert"), .max_length = 0}); }).find("invalid_arg"),
            0U);
}

/// RoBERTa's positions are those of tokens that are not padding_idx, so a text with "<pad>" in it may be longer than
/// the position table (72 tokens here); transformers reads it whole.
TEST(SentenceEncoder, PaddingTokensTakeNoRowOfThePositionTable) {
  const ModelCopy model("roberta");
  model.set("sentence_bert_config.json", "max_seq_length", 90);
  const SentenceEncoder encoder = model.load();
  EXPECT_EQ(encoder.info().max_length, 72);
  std::string plain;
  std::string padded;
  for (int i = 0; i < 120; ++i) {
    plain += " the";
    padded += i % 8 == 7 ? "<pad>" : " the";
  }
  std::string short_padded;
  for (int i = 0; i < 20; ++i) short_padded += " the<pad>";
  const std::vector<std::string_view> texts = {plain, padded, short_padded};
  const Embeddings all = encoder.encode(texts);
  EXPECT_EQ(all.token_counts[0].used, 72);
  // 72 positions and every token between them that takes none.
  EXPECT_GE(all.token_counts[1].used, 80);
  EXPECT_LE(all.token_counts[1].used, 82);
  EXPECT_EQ(all.token_counts[2].used, all.token_counts[2].tokens);
  for (const Truncation side : {Truncation::start, Truncation::end}) {
    EncodeOptions options;
    options.truncation = side;
    EXPECT_GE(encoder.encode(texts, options).token_counts[1].used, 80);
  }
  EncodeOptions strict;
  strict.truncation = Truncation::error;
  const std::vector<std::string_view> only_padded = {padded};
  EXPECT_THROW(encoder.encode(only_padded, strict), Error);
  EncodeOptions given;
  given.max_length = 72;
  EXPECT_EQ(encoder.encode(texts, given).token_counts[1].used, 72);
}

TEST(SentenceEncoder, CountTokensAgreesWithEncode) {
  const auto encoder = SentenceEncoder::load({.model = model_path("roberta"), .threads = 2});
  const auto texts = mixed_texts();
  const auto counts = encoder.count_tokens(test::views(texts));
  const auto vectors = encoder.encode(test::views(texts));
  ASSERT_EQ(counts.size(), vectors.token_counts.size());
  for (std::size_t i = 0; i < counts.size(); ++i) {
    EXPECT_EQ(counts[i].tokens, vectors.token_counts[i].tokens);
    EXPECT_EQ(counts[i].used, vectors.token_counts[i].used);
  }
}

TEST(SentenceEncoder, BadOptionsAreNamed) {
  const auto encoder = SentenceEncoder::load({.model = model_path("bert")});
  const std::vector<std::string_view> texts = {"a"};
  const auto error = [&](const std::function<void(EncodeOptions&)>& change) {
    EncodeOptions options;
    change(options);
    return error_of([&] { encoder.encode(texts, options); });
  };
  EXPECT_EQ(error([](auto& o) { o.dimensions = 0; }).find("invalid_argument"), 0U);
  EXPECT_EQ(error([](auto& o) { o.dimensions = 33; }).find("invalid_argument"), 0U);
  EXPECT_EQ(error([](auto& o) { o.prompt_name = "passage"; }).find("not_found"), 0U);
  EXPECT_EQ(error([](auto& o) { o.max_length = 65; }).find("invalid_argument"), 0U);
  EXPECT_EQ(error([](auto& o) { o.max_length = 2; }).find("invalid_argument"), 0U);
  EXPECT_EQ(error([](auto& o) { o.batch_tokens = -1; }).find("invalid_argument"), 0U);
  EXPECT_EQ(error([](auto& o) {
              o.prompt = "x";
              o.prompt_name = "y";
            }).find("invalid_argument"),
            0U);
  const std::vector<std::string_view> invalid = {"fine", "bad \xff byte"};
  const auto message = error_of([&] { encoder.encode(invalid); });
  EXPECT_EQ(message.find("invalid_argument: text 1: "), 0U) << message;
}

/// Calls of one text and of many at once, from more callers than threads; every vector as it is without the others.
void expect_same_vectors_however_busy(const SentenceEncoder& encoder, const Texts& texts = mixed_texts()) {
  const auto all = test::views(texts);
  const auto call = [&](std::size_t caller, std::size_t round) {
    const std::size_t begin = (caller * 17 + round * 5) % texts.size();
    const std::size_t count = (caller + round) % 3 == 0 ? texts.size() - begin : 1;
    EncodeOptions options;
    if (caller % 2 == 1) options.temperature = Temperature::constant(0.8);
    return encoder.encode(std::span(all).subspan(begin, count), options).values;
  };
  constexpr std::size_t kCallers = 6;
  constexpr std::size_t kRounds = 8;
  std::vector<std::vector<float>> wanted;
  for (std::size_t i = 0; i < kCallers * kRounds; ++i) wanted.push_back(call(i / kRounds, i % kRounds));
  std::vector<std::thread> callers;
  for (std::size_t caller = 0; caller < kCallers; ++caller) {
    callers.emplace_back([&, caller] {
      for (std::size_t round = 0; round < kRounds; ++round) {
        EXPECT_EQ(call(caller, round), wanted[caller * kRounds + round]) << caller << ", " << round;
      }
    });
  }
  for (auto& caller : callers) caller.join();
}

TEST(SentenceEncoder, ConcurrentCallsGiveTheVectorsOfCallsAlone) {
  for (const int threads : {1, 2, 3}) {
    expect_same_vectors_however_busy(SentenceEncoder::load({.model = model_path("bert"), .threads = threads}));
  }
  expect_same_vectors_however_busy(
      SentenceEncoder::load({.model = model_path("mpnet"), .threads = 2, .dtype = ComputeType::int8}));
}

/// GEMMs so wide that the order of their sums may depend on the number of rows (more than 512 inputs with AVX2).
TEST(ModelSentenceEncoder, ConcurrentCallsGiveTheVectorsOfCallsAlone) {
  const auto folder = source_path("models/all-MiniLM-L6-v2");
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << "run tools/fetch_model.py all-MiniLM-L6-v2";
  Texts texts = mixed_texts();
  texts.resize(16);
  expect_same_vectors_however_busy(SentenceEncoder::load({.model = folder.string(), .threads = 2}), texts);
}

TEST(SentenceEncoder, ConcurrentCallsFailAlone) {
  const auto encoder = SentenceEncoder::load({.model = model_path("bert"), .threads = 2});
  const auto texts = mixed_texts();
  const auto wanted = encoder.encode(test::views(texts)).values;
  std::vector<std::thread> callers;
  for (int caller = 0; caller < 4; ++caller) {
    callers.emplace_back([&, caller] {
      EncodeOptions options;
      if (caller % 2 == 1) options.truncation = Truncation::error;
      for (int round = 0; round < 5; ++round) {
        if (caller % 2 == 1) {
          EXPECT_THROW(encoder.encode(test::views(texts), options), Error);
        } else {
          EXPECT_EQ(encoder.encode(test::views(texts), options).values, wanted);
        }
      }
    });
  }
  for (auto& caller : callers) caller.join();
}

TEST(SentenceEncoder, InfoSaysWhatTheModelIs) {
  const auto encoder = SentenceEncoder::load({.model = model_path("mpnet"), .threads = 1});
  const auto& info = encoder.info();
  EXPECT_EQ(info.model_type, "mpnet");
  EXPECT_EQ(info.architecture, "MPNetModel");
  EXPECT_EQ(info.weights_dtype, WeightsDType::float32);
  EXPECT_EQ(info.pooling, std::vector{PoolingMode::mean});
  EXPECT_TRUE(info.normalizes);
  EXPECT_EQ(info.dim, 48);
  EXPECT_EQ(info.tempered_layers, 2);
  EXPECT_EQ(info.position_limit, 90);
  EXPECT_EQ(encoder.weights_sha256().size(), 64U);
}

}  // namespace
}  // namespace treble::internal
