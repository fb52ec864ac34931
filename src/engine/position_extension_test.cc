// Texts beyond the positions that a model was trained with.
#include <gtest/gtest.h>

#include "engine/model_copy.h"
#include "engine/sample_texts.h"

namespace treble::internal {
namespace {

using test::difference;
using test::error_of;
using test::kInvariance;
using test::mixed_texts;
using test::model_path;
using test::words;

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

}  // namespace
}  // namespace treble::internal
