// Long texts in pieces, on a tiny model.
#include "treble/chunking.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <numeric>
#include <random>

#include "treble/error.h"
#include "treble/tokens.h"

namespace treble::internal {
namespace {

class Chunking : public ::testing::Test {
 protected:
  Chunking() : encoder_(SentenceEncoder::load({.model = TREBLE_SOURCE_DIR "/tests/golden/bert/model"})) {
    for (int i = 0; i < 60; ++i) long_ += (i == 0 ? "" : i % 7 == 0 ? "  \n" : " ") + std::string(kWords.at(i % 5));
  }

  std::int64_t tokens(std::string_view text) const { return encoder_.count_tokens({&text, 1}, {}).front().tokens; }

  static constexpr std::array<const char*, 5> kWords = {"the", "ferry", "leaves", "harbour", "again"};
  SentenceEncoder encoder_;
  std::string long_;
};

TEST_F(Chunking, PiecesAreTheWholeTextAndFit) {
  for (const std::int64_t max_tokens : {8, 13, 20}) {
    const auto pieces = split_text(encoder_, long_, {}, max_tokens);
    EXPECT_GT(pieces.size(), 2U);
    std::string joined;
    for (const auto piece : pieces) {
      EXPECT_LE(tokens(piece), max_tokens);
      joined += piece;
    }
    std::string expected = long_;
    std::erase_if(joined, [](char c) { return c == ' ' || c == '\n'; });
    std::erase_if(expected, [](char c) { return c == ' ' || c == '\n'; });
    EXPECT_EQ(joined, expected);
  }
}

TEST_F(Chunking, CutsBetweenCharactersWhereThereAreNoWords) {
  std::string text;
  for (int i = 0; i < 50; ++i) text += "港é";
  for (const auto piece : split_text(encoder_, text, {}, 6)) {
    EXPECT_LE(tokens(piece), 6);
    EXPECT_NE(static_cast<unsigned char>(piece.front()) & 0xC0U, 0x80U);
  }
}

/// Tokenizers of bytes make tokens of white space, and between the pieces of a text of nothing else nothing is left.
TEST_F(Chunking, WhiteSpaceAloneIsAnEmptyText) {
  const auto encoder = SentenceEncoder::load({.model = TREBLE_SOURCE_DIR "/tests/golden/roberta/model"});
  const std::string spaces(500, ' ');
  const std::string lines(300, '\n');
  ASSERT_GT(encoder.count_tokens(std::array<std::string_view, 1>{lines}, {}).front().tokens, 8);
  const std::vector<std::string_view> texts = {spaces, "the ferry", lines};
  const Embeddings expected = encoder.encode(std::array<std::string_view, 3>{"", "the ferry", ""});
  for (const char* how : {"chunk-mean:8", "chunk-max:8", "late-chunk:8"}) {
    const Embeddings found = encode_chunked(encoder, texts, {}, ChunkOptions::parse(how));
    for (std::size_t i = 0; i < expected.values.size(); ++i)
      EXPECT_NEAR(found.values[i], expected.values[i], 1e-6) << how;
  }
  EXPECT_EQ(split_text(encoder, lines, {}, 8), std::vector<std::string_view>{""});
}

TEST_F(Chunking, AShortTextIsItselfBitForBit) {
  const std::vector<std::string_view> texts = {"the ferry", "", "a letter from the harbour"};
  const Embeddings whole = encoder_.encode(texts);
  const Embeddings chunked = encode_chunked(encoder_, texts, {}, {});
  EXPECT_EQ(chunked.values, whole.values);
  EXPECT_EQ(chunked.dim, whole.dim);
}

TEST_F(Chunking, AggregatesThePieces) {
  const std::vector<std::string_view> texts = {"the sea", long_};
  const EncodeOptions raw{.normalize = false};
  const auto pieces = split_text(encoder_, long_, raw, 16);
  const Embeddings of_pieces = encoder_.encode(pieces, raw);
  for (const auto how : {ChunkAggregate::mean, ChunkAggregate::max}) {
    const Embeddings result = encode_chunked(encoder_, texts, raw, {how, 16});
    for (std::int64_t i = 0; i < result.dim; ++i) {
      double expected = how == ChunkAggregate::max ? -1e9 : 0;
      for (std::int64_t p = 0; p < of_pieces.count; ++p) {
        const double value = of_pieces.values[static_cast<std::size_t>(p * of_pieces.dim + i)];
        expected = how == ChunkAggregate::max ? std::max(expected, value)
                                              : expected + value / static_cast<double>(of_pieces.count);
      }
      EXPECT_NEAR(result.values[static_cast<std::size_t>(result.dim + i)], expected, 1e-6);
    }
    EXPECT_EQ(result.token_counts[1].tokens, result.token_counts[1].used);
  }
  const Embeddings unit = encode_chunked(encoder_, texts, {.normalize = true}, {ChunkAggregate::mean, 16});
  double square = 0;
  for (std::int64_t i = 0; i < unit.dim; ++i) {
    const double value = unit.values[static_cast<std::size_t>(unit.dim + i)];
    square += value * value;
  }
  EXPECT_NEAR(square, 1, 1e-5);
}

/// The mean over all parts of a text, read at the model's limit, of the means of its token vectors in runs.
std::vector<double> late_by_definition(const SentenceEncoder& encoder, std::string_view text, std::int64_t run,
                                       const EncodeOptions& options, bool unit) {
  std::vector<double> total;
  std::int64_t runs = 0;
  for (const auto& states :
       token_embeddings(encoder, split_text(encoder, text, options, encoder.info().max_length), options)) {
    const std::int64_t count = (states.num_tokens + run - 1) / run;
    total.resize(static_cast<std::size_t>(states.dim));
    for (std::int64_t k = 0; k < count; ++k) {
      const std::int64_t first = states.num_tokens * k / count;
      const std::int64_t last = states.num_tokens * (k + 1) / count;
      std::vector<double> mean(total.size());
      for (std::int64_t token = first; token < last; ++token) {
        for (std::size_t i = 0; i < mean.size(); ++i) {
          mean[i] +=
              states.values[static_cast<std::size_t>(token * states.dim) + i] / static_cast<double>(last - first);
        }
      }
      const double length = unit ? std::sqrt(std::inner_product(mean.begin(), mean.end(), mean.begin(), 0.0)) : 1;
      for (std::size_t i = 0; i < mean.size(); ++i) total[i] += mean[i] / length;
    }
    runs += count;
  }
  for (double& value : total) value /= static_cast<double>(runs);
  const double length = unit ? std::sqrt(std::inner_product(total.begin(), total.end(), total.begin(), 0.0)) : 1;
  for (double& value : total) value /= length;
  return total;
}

TEST_F(Chunking, LateChunksAreMeansOfTheWholeTextsTokens) {
  std::mt19937 random(7);
  const auto below = [&](int limit) { return static_cast<int>(random() % static_cast<unsigned>(limit)); };
  for (int round = 0; round < 30; ++round) {
    std::vector<std::string> texts;
    for (int i = 1 + below(9); i > 0; --i) {
      std::string& text = texts.emplace_back();
      // Beyond the model's limit, too.
      for (int words = below(round % 3 == 0 ? 300 : 60); words > 0; --words)
        text += std::string(kWords.at(words % 5)) + " ";
    }
    const std::vector<std::string_view> views(texts.begin(), texts.end());
    EncodeOptions options{.temperature = round % 2 == 0 ? Temperature() : Temperature::parse("0.7")};
    const bool unit = below(2) == 0;
    options.normalize = unit;
    if (below(3) == 0) options.prompt = "search: ";
    const ChunkOptions chunks{.max_tokens = 1 + below(40), .late = true};
    const Embeddings result = encode_chunked(encoder_, views, options, chunks);
    for (std::size_t text = 0; text < texts.size(); ++text) {
      const auto expected = late_by_definition(encoder_, views[text], chunks.max_tokens, options, unit);
      for (std::size_t i = 0; i < expected.size(); ++i) {
        EXPECT_NEAR(result.values[text * expected.size() + i], expected[i], 2e-6) << "round " << round;
      }
      EXPECT_EQ(result.token_counts[text].tokens, result.token_counts[text].used);
      EXPECT_GE(result.token_counts[text].used, tokens(views[text]));
    }
  }
}

TEST_F(Chunking, ATextOfOneLateChunkIsItselfBitForBit) {
  const std::vector<std::string_view> texts = {"the ferry", "", "a letter from the harbour"};
  EXPECT_EQ(encode_chunked(encoder_, texts, {}, ChunkOptions::parse("late-chunk:32")).values,
            encoder_.encode(texts).values);
}

TEST_F(Chunking, LateChunksNeedALengthAndTokensThatArePooled) {
  const std::vector<std::string_view> texts = {long_};
  EXPECT_THROW(ChunkOptions::parse("late-chunk"), Error);
  EXPECT_THROW(ChunkOptions::parse("late-chunk:x"), Error);
  EXPECT_THROW(encode_chunked(encoder_, texts, {}, {.late = true}), Error);
  EXPECT_THROW(encode_chunked(encoder_, texts, {}, {.max_tokens = 1 << 20, .late = true}), Error);
  EXPECT_EQ(ChunkOptions::parse("late-chunk:64").to_string(), "late-chunk:64");
  EXPECT_TRUE(ChunkOptions::names("late-chunk:64"));
  EXPECT_FALSE(ChunkOptions::names("late.safetensors"));
  for (const char* name : {"modernbert", "qwen3"}) {
    const auto one_token =
        SentenceEncoder::load({.model = TREBLE_SOURCE_DIR "/tests/golden/" + std::string(name) + "/model"});
    try {
      encode_chunked(one_token, texts, {}, {.max_tokens = 8, .late = true});
      ADD_FAILURE() << name;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::unsupported);
      EXPECT_NE(std::string(error.what()).find("chunk-mean"), std::string::npos) << error.what();
    }
  }
}

TEST_F(Chunking, RefusesPiecesThatHoldNothing) {
  const std::vector<std::string_view> texts = {long_};
  EXPECT_THROW(encode_chunked(encoder_, texts, {}, {ChunkAggregate::mean, 2}), Error);
  EXPECT_THROW(encode_chunked(encoder_, texts, {}, {ChunkAggregate::mean, 1 << 20}), Error);
  EXPECT_THROW(ChunkOptions::parse("chunk-median"), Error);
  EXPECT_THROW(ChunkOptions::parse("chunk-mean:0"), Error);
  EXPECT_EQ(ChunkOptions::parse("chunk-max:64").to_string(), "chunk-max:64");
  EXPECT_EQ(ChunkOptions::parse("chunk-mean").max_tokens, 0);
}

}  // namespace
}  // namespace treble::internal
