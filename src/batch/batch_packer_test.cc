#include "batch/batch_packer.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "treble/error.h"

namespace treble::internal {
namespace {

std::vector<TokenizedText> texts_of(const std::vector<std::size_t>& lengths) {
  std::vector<TokenizedText> texts(lengths.size());
  for (std::size_t i = 0; i < lengths.size(); ++i) {
    texts[i].ids.assign(lengths[i], static_cast<std::int32_t>(i));
    texts[i].num_tokens = lengths[i];
    texts[i].prompt_tokens = static_cast<std::int32_t>(i);
  }
  return texts;
}

TEST(BatchPacker, EveryTextAppearsOnceAndWhole) {
  const auto texts = texts_of({5, 1, 9, 3, 3, 20, 0, 7});
  std::vector<int> seen(texts.size());
  for (const auto& batch : pack_batches(texts, {.token_budget = 10})) {
    ASSERT_EQ(batch.text_index.size(), static_cast<std::size_t>(batch.num_sequences()));
    ASSERT_EQ(batch.prompt_tokens.size(), batch.text_index.size());
    EXPECT_EQ(batch.total_tokens(), static_cast<std::int64_t>(batch.ids.size()));
    for (std::int64_t s = 0; s < batch.num_sequences(); ++s) {
      const auto index = static_cast<std::size_t>(batch.text_index[static_cast<std::size_t>(s)]);
      ++seen[index];
      EXPECT_EQ(batch.length(s), static_cast<std::int64_t>(texts[index].ids.size()));
      EXPECT_EQ(batch.prompt_tokens[static_cast<std::size_t>(s)], texts[index].prompt_tokens);
      EXPECT_TRUE(std::equal(texts[index].ids.begin(), texts[index].ids.end(),
                             batch.ids.begin() + batch.offsets[static_cast<std::size_t>(s)]));
    }
  }
  EXPECT_EQ(seen, std::vector<int>(texts.size(), 1));
}

TEST(BatchPacker, KeepsToTheBudgetUnlessOneTextAloneIsLonger) {
  for (const auto& batch : pack_batches(texts_of({5, 1, 9, 3, 3, 20, 7}), {.token_budget = 10})) {
    EXPECT_TRUE(batch.total_tokens() <= 10 || batch.num_sequences() == 1);
  }
}

TEST(BatchPacker, KeysAreCountedFromTheFirstTextThatHasFewer) {
  auto texts = texts_of({8, 6, 4, 2});
  EXPECT_TRUE(pack_batches(texts, {.token_budget = 100}).front().key_counts.empty());
  texts[1].unattended_tokens = 5;
  texts[3].unattended_tokens = 1;
  const PackedBatch batch = pack_batches(texts, {.token_budget = 100}).front();
  EXPECT_EQ(batch.key_counts, (std::vector<std::int64_t>{8, 1, 4, 1}));
  EXPECT_EQ(batch.num_keys(1), 1);
}

TEST(BatchPacker, LongestTextsComeFirst) {
  const auto batches = pack_batches(texts_of({2, 30, 4, 17}), {.token_budget = 18});
  ASSERT_EQ(batches.size(), 3U);
  EXPECT_EQ(batches[0].text_index, std::vector<std::int64_t>{1});
  EXPECT_EQ(batches[1].text_index, std::vector<std::int64_t>{3});
  EXPECT_EQ(batches[2].text_index, (std::vector<std::int64_t>{2, 0}));
}

TEST(BatchPacker, SharesGrowSmallerTowardsTheEnd) {
  const std::vector<std::size_t> lengths(40, 10);
  const auto batches = pack_batches(texts_of(lengths), {.token_budget = 150, .shares = 2, .min_tokens = 30});
  std::vector<std::int64_t> sizes;
  for (const auto& batch : batches) sizes.push_back(batch.total_tokens());
  // Half of what remains: 200, held to 150; then 125, 65, 30 (not 25), 30.
  EXPECT_EQ(sizes, (std::vector<std::int64_t>{150, 120, 60, 30, 30, 10}));
}

TEST(BatchPacker, NoTextsNoBatches) { EXPECT_TRUE(pack_batches({}, {.token_budget = 10}).empty()); }

TEST(BatchPacker, RefusesABudgetBelowOne) { EXPECT_THROW(pack_batches(texts_of({1}), {.token_budget = 0}), Error); }

}  // namespace
}  // namespace treble::internal
