// Long texts in pieces, on a tiny model.
#include "treble/chunking.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>

#include "treble/error.h"

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
