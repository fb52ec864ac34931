// What a caller may rely on: independence from companions, defined results at the edges, clear errors.
#include "treble/sentence_encoder.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>
#include <numeric>
#include <thread>

#include "engine/golden_support.h"
#include "engine/model_copy.h"
#include "kernels/test_support.h"
#include "treble/error.h"

namespace treble::internal {
namespace {

namespace fs = std::filesystem;
using test::error_of;
using test::model_path;
using test::ModelCopy;
using Texts = std::vector<std::string>;

constexpr double kInvariance = 1e-6;

/// Texts of many lengths, with repeats.
Texts mixed_texts() {
  Texts texts;
  for (int i = 0; i < 60; ++i) {
    std::string text;
    for (int word = 0; word <= (i * 7) % 31; ++word) text += "the ferry leaves " + std::to_string(word * i) + " ";
    texts.push_back(text);
  }
  texts.emplace_back();
  texts.push_back(texts[3]);
  return texts;
}

/// A text of that many tokens for the tiny models that split at white space.
std::string words(int count) {
  std::string text;
  for (int i = 0; i < count; ++i) text += "a ";
  return text;
}

double difference(const Embeddings& a, const Embeddings& b) {
  if (a.count != b.count || a.dim != b.dim) return HUGE_VAL;
  return test::max_abs_difference({a.values.data(), a.count, a.dim}, {b.values.data(), b.count, b.dim});
}

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

EncodeOptions with_temperature(const Temperature& temperature) {
  EncodeOptions options;
  options.temperature = temperature;
  return options;
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

TEST(Schedules, LogLengthLeavesShortTextsUntouchedBitForBit) {
  for (const char* family : {"bert", "mpnet", "qwen3", "modernbert"}) {
    const auto encoder = SentenceEncoder::load({.model = model_path(family), .threads = 1});
    const std::string long_text = words(50);
    const std::vector<std::string_view> texts = {"the ferry leaves", long_text};
    const auto plain = encoder.encode(texts);
    const auto tempered = encoder.encode(texts, with_temperature(Temperature::parse("log:24")));
    const auto middle = plain.values.begin() + plain.dim;
    EXPECT_TRUE(std::equal(plain.values.begin(), middle, tempered.values.begin())) << family;
    EXPECT_FALSE(std::equal(middle, plain.values.end(), tempered.values.begin() + plain.dim)) << family;
  }
}

TEST(Schedules, DoNotDependOnCompanions) {
  const auto texts = mixed_texts();
  for (const char* family : {"bert", "llama", "mistral", "gemma3-text", "t5"}) {
    const auto encoder = SentenceEncoder::load({.model = model_path(family), .threads = 2});
    for (const char* form : {"log:8", "ssmax:0.4,0.1", "yarn:8"}) {
      EncodeOptions options = with_temperature(Temperature::parse(form));
      const auto together = encoder.encode(test::views(texts), options);
      options.batch_tokens = 1;
      EXPECT_LE(difference(together, encoder.encode(test::views(texts), options)), kInvariance) << family << form;
    }
  }
}

TEST(Schedules, AProfileOfOneColumnIsTheConstant) {
  TemperatureProfile profile;
  profile.lengths = {64};
  profile.logit_scales.assign(2, {{1.25}});
  const auto texts = mixed_texts();
  const auto encoder = SentenceEncoder::load({.model = model_path("bert"), .threads = 1});
  const auto by_profile = encoder.encode(test::views(texts), with_temperature(Temperature::from_profile(profile, "p")));
  EXPECT_EQ(by_profile.values, encoder.encode(test::views(texts), with_temperature(Temperature::constant(0.8))).values);
}

TEST(Schedules, AProfileForAnotherModelIsRefused) {
  TemperatureProfile profile;
  profile.lengths = {64};
  profile.logit_scales.assign(6, {{1.25}});
  const auto encoder = SentenceEncoder::load({.model = model_path("bert"), .threads = 1});
  const std::vector<std::string_view> texts = {"a"};
  const auto message =
      error_of([&] { encoder.encode(texts, with_temperature(Temperature::from_profile(profile, "p.json"))); });
  EXPECT_NE(message.find("p.json is for 6 layers"), std::string::npos) << message;
}

TEST(PositionExtensions, ReadLongTextsWhole) {
  const std::string text = words(300);
  const std::vector<std::string_view> texts = {text};
  for (const auto extension : {PositionExtension::interpolate, PositionExtension::group, PositionExtension::recur}) {
    for (const char* family : {"bert", "mpnet", "modernbert"}) {
      ModelOptions options{.model = model_path(family), .max_length = 400};
      options.extension = extension;
      const auto vectors = SentenceEncoder::load(options).encode(texts);
      EXPECT_EQ(vectors.token_counts[0].used, vectors.token_counts[0].tokens) << family;
      EXPECT_GT(vectors.token_counts[0].used, 300) << family;
    }
  }
}

TEST(PositionExtensions, WithinThePositionsTheModelIsUntouchedBitForBit) {
  const auto texts = mixed_texts();
  for (const char* family : {"bert", "roberta", "modernbert", "qwen3"}) {
    const auto plain = SentenceEncoder::load({.model = model_path(family)}).encode(test::views(texts));
    for (const auto extension : {PositionExtension::interpolate, PositionExtension::group, PositionExtension::recur}) {
      ModelOptions options{.model = model_path(family)};
      options.extension = extension;
      EXPECT_EQ(SentenceEncoder::load(options).encode(test::views(texts)).values, plain.values) << family;
    }
  }
}

TEST(PositionExtensions, RecurringPositionsLeaveShortTextsAlone) {
  const std::vector<std::string_view> texts = {"the ferry leaves", "a letter"};
  ModelOptions options{.model = model_path("bert"), .max_length = 500};
  options.extension = PositionExtension::recur;
  EXPECT_LE(difference(SentenceEncoder::load(options).encode(texts),
                       SentenceEncoder::load({.model = model_path("bert")}).encode(texts)),
            kInvariance);
}

/// The vectors of `texts` by a model that reads up to 700 tokens, one thread.
Embeddings encode_extended(const char* family, PositionExtension extension, std::span<const std::string_view> texts) {
  ModelOptions options{.model = model_path(family), .threads = 1};
  if (extension != PositionExtension::none) options.max_length = 700;
  options.extension = extension;
  return SentenceEncoder::load(options).encode(texts);
}

TEST(PositionExtensions, LongKindsKeepShortTextsAndExtendLongOnes) {
  struct Kind {
    PositionExtension kept;
    PositionExtension plain;
    std::vector<const char*> families;
  };
  const std::vector<Kind> kinds = {
      {PositionExtension::interpolate_long, PositionExtension::interpolate, {"bert", "roberta", "mpnet", "nomic-bert"}},
      {PositionExtension::group_long, PositionExtension::group, {"bert", "modernbert"}},
      {PositionExtension::ntk_long, PositionExtension::ntk, {"nomic-bert", "gte-new"}}};
  const std::string long_text = words(600);
  const std::vector<std::string_view> short_texts = {"the ferry leaves", "a letter from the harbour"};
  for (const auto& kind : kinds) {
    for (const char* family : kind.families) {
      for (const std::string_view text : short_texts) {
        const auto kept = encode_extended(family, kind.kept, {&text, 1});
        EXPECT_EQ(kept.values, encode_extended(family, PositionExtension::none, {&text, 1}).values) << family;
        EXPECT_NE(kept.values, encode_extended(family, kind.plain, {&text, 1}).values) << family;
      }
      const std::string_view text = long_text;
      const auto extended = encode_extended(family, kind.kept, {&text, 1});
      EXPECT_EQ(extended.values, encode_extended(family, kind.plain, {&text, 1}).values) << family;
      // Together in one batch, each is read in its own way.
      const std::vector<std::string_view> mixed = {short_texts[0], text, short_texts[1]};
      const auto together = encode_extended(family, kind.kept, mixed);
      const auto dim = static_cast<std::size_t>(together.dim);
      for (std::size_t i = 0; i < mixed.size(); ++i) {
        const auto alone = encode_extended(family, kind.kept, {&mixed[i], 1});
        for (std::size_t d = 0; d < dim; ++d) {
          EXPECT_NEAR(together.values[i * dim + d], alone.values[d], kInvariance) << family << " text " << i;
        }
      }
    }
  }
}

TEST(PositionExtensions, LongKindsMeetAtTheTrainedLength) {
  const std::string text = words(2000);
  const std::string_view view = text;
  ModelOptions options{.model = model_path("bert"), .threads = 1};
  const auto limit = SentenceEncoder::load(options).info().position_limit;
  options.max_length = limit;
  const auto plain = SentenceEncoder::load(options).encode({&view, 1});
  options.max_length = 2 * limit;
  options.extension = PositionExtension::interpolate_long;
  const auto extended = SentenceEncoder::load(options);
  EncodeOptions cut;
  cut.max_length = limit;
  EXPECT_EQ(extended.encode({&view, 1}, cut).values, plain.values);
  cut.max_length = limit + 1;
  EXPECT_NE(extended.encode({&view, 1}, cut).values, plain.values);
}

TEST(PositionExtensions, NtkIsForRotaryModels) {
  ModelOptions options{.model = model_path("bert"), .max_length = 400};
  options.extension = PositionExtension::ntk;
  EXPECT_NE(error_of([&] { SentenceEncoder::load(options); }).find("rotary"), std::string::npos);
  options.model = model_path("nomic-bert");
  options.max_length = 600;
  EXPECT_EQ(SentenceEncoder::load(options).info().max_length, 600);
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
void expect_same_vectors_however_busy(const SentenceEncoder& encoder) {
  const auto texts = mixed_texts();
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

TEST(ModelFolder, UnsupportedArchitectureListsTheSupportedOnes) {
  const ModelCopy model("bert");
  model.set("config.json", "model_type", "mamba");
  const auto message = model.load_error();
  EXPECT_EQ(message.find("unsupported: "), 0U) << message;
  EXPECT_NE(message.find("mamba"), std::string::npos);
  EXPECT_NE(message.find("albert, bert, camembert, deberta-v2"), std::string::npos) << message;
}

TEST(ModelFolder, WhatItCannotServeIsRefused) {
  for (const auto& [key, value, word] :
       {std::tuple{"position_embedding_type", nlohmann::json("relative_key"), "relative_key"},
        {"is_decoder", nlohmann::json(true), "is_decoder"},
        {"hidden_act", nlohmann::json("xielu"), "xielu"}}) {
    const ModelCopy model("bert");
    model.set("config.json", key, value);
    const auto message = model.load_error();
    EXPECT_EQ(message.find("unsupported: "), 0U) << message;
    EXPECT_NE(message.find(word), std::string::npos) << message;
  }
}

TEST(ModelFolder, ShapesThatDisagreeNameBoth) {
  const ModelCopy model("bert");
  model.set("config.json", "intermediate_size", 65);
  const auto message = model.load_error();
  EXPECT_EQ(message.find("invalid_file: "), 0U) << message;
  EXPECT_NE(message.find("[32, 64]"), std::string::npos) << message;
  EXPECT_NE(message.find("[32, 65]"), std::string::npos) << message;
}

TEST(ModelFolder, SenselessSizesAreErrors) {
  for (const auto& [key, value] : {std::pair{"num_attention_heads", 0},
                                   {"num_attention_heads", 5},
                                   {"hidden_size", -1},
                                   {"num_hidden_layers", 0},
                                   {"num_hidden_layers", 3},
                                   {"vocab_size", 1 << 30}}) {
    const ModelCopy model("bert");
    model.set("config.json", key, value);
    EXPECT_EQ(model.load_error().find("invalid_file: "), 0U) << key << " = " << value << ": " << model.load_error();
  }
}

TEST(ModelFolder, MissingFilesAreNamed) {
  for (const char* file : {"config.json", "model.safetensors", "tokenizer.json", "1_Pooling/config.json"}) {
    const ModelCopy model("bert");
    model.erase(file);
    const auto message = model.load_error();
    EXPECT_EQ(message.find("not_found: "), 0U) << message;
    EXPECT_NE(message.find(fs::path(file).filename().string()), std::string::npos) << message;
  }
}

TEST(ModelFolder, WithoutModulesItIsAPlainTransformer) {
  const ModelCopy model("bert");
  model.erase("modules.json");
  const auto encoder = SentenceEncoder::load({.model = model.path().string()});
  EXPECT_EQ(encoder.info().pooling, std::vector{PoolingMode::mean});
  EXPECT_FALSE(encoder.info().normalizes);
}

TEST(ModelFolder, ANonFiniteWeightNeverLeaves) {
  const ModelCopy model("bert");
  const auto file = model.path() / "model.safetensors";
  std::vector<char> bytes(static_cast<std::size_t>(fs::file_size(file)));
  std::ifstream(file, std::ios::binary).read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  std::uint64_t header_size = 0;
  std::memcpy(&header_size, bytes.data(), 8);
  const auto data = bytes.begin() + 8 + static_cast<std::ptrdiff_t>(header_size);
  const auto header = nlohmann::json::parse(bytes.begin() + 8, data);
  const auto range =
      header.at("embeddings.word_embeddings.weight").at("data_offsets").get<std::vector<std::ptrdiff_t>>();
  // All bits set is a NaN; the special tokens' rows, the first ones, stay as they are.
  std::fill(data + range.at(0) + 5 * 32 * 4, data + range.at(1), static_cast<char>(0xff));
  std::ofstream(file, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  const auto message = error_of([&] {
    const auto encoder = SentenceEncoder::load({.model = model.path().string()});
    const std::vector<std::string_view> texts = {"", "a letter"};
    encoder.encode(texts);
  });
  EXPECT_EQ(message.find("invalid_file: "), 0U) << message;
  EXPECT_NE(message.find("model.safetensors: tensor embeddings.word_embeddings.weight: row "), std::string::npos)
      << message;
}

TEST(ModelFolder, IsFoundInTheHuggingFaceCache) {
  const fs::path home = fs::temp_directory_path() / ("treble-hf-" + std::to_string(::getpid()));
  const fs::path repository = home / "hub" / "models--org--tiny";
  fs::create_directories(repository / "refs");
  fs::create_directories(repository / "snapshots");
  fs::copy(model_path("bert"), repository / "snapshots" / "abc123", fs::copy_options::recursive);
  std::ofstream(repository / "refs" / "main") << "abc123";
  for (const char* name : {"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"}) ::unsetenv(name);
  ::setenv("HF_HOME", home.c_str(), 1);
  EXPECT_EQ(SentenceEncoder::load({.model = "org/tiny"}).info().name, "org/tiny");
  const auto message = error_of([] { SentenceEncoder::load({.model = "org/absent"}); });
  EXPECT_EQ(message.find("not_found: "), 0U) << message;
  EXPECT_NE(message.find("models--org--absent"), std::string::npos) << message;
  ::unsetenv("HF_HOME");
  fs::remove_all(home);
}

}  // namespace
}  // namespace treble::internal
