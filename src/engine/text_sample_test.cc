// The sample that an inspection rests on: fair, repeatable, and no larger than asked for.
#include "engine/text_sample.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <set>

#include "engine/golden_support.h"

namespace treble::internal {
namespace {

using test::source_path;

SentenceEncoder tiny_encoder(int threads = 1) {
  return SentenceEncoder::load({.model = source_path("tests/golden/bert/model").string(), .threads = threads});
}

/// A source of made-up texts; the i-th has `words(i)` words.
template <typename Words>
InspectSource source_of(std::int64_t count, Words words) {
  return [count, words, next = std::int64_t{0}](InspectText& text) mutable {
    if (next == count) return false;
    text.id = fmt::format("n{}", next);
    text.text.clear();
    for (std::int64_t word = 0; word < words(next); ++word) text.text += "a ";
    ++next;
    return true;
  };
}

std::vector<std::int64_t> indices(const std::vector<SampledText>& texts) {
  std::vector<std::int64_t> result;
  result.reserve(texts.size());
  for (const SampledText& text : texts) result.push_back(text.index);
  return result;
}

std::vector<std::vector<std::int64_t>> bucket_indices(const TextSample& sample) {
  std::vector<std::vector<std::int64_t>> result;
  result.reserve(sample.by_bucket.size());
  for (const auto& bucket : sample.by_bucket) result.push_back(indices(bucket));
  return result;
}

InspectOptions options_of(std::int64_t sample, std::uint64_t seed) {
  InspectOptions options;
  options.sample = sample;
  options.seed = seed;
  options.bucket_edges = {8, 16};
  options.cut_lengths = {4, 8, 16};
  return options;
}

std::int64_t mixed_words(std::int64_t i) { return (i * 7) % 30; }

/// How often each of `offered` texts was kept over `seeds` seeds.
std::vector<int> kept_counts(std::int64_t offered, std::int64_t max_count, std::uint64_t seeds) {
  std::vector<int> counts(static_cast<std::size_t>(offered));
  for (std::uint64_t seed = 0; seed < seeds; ++seed) {
    Reservoir reservoir(max_count, seed);
    for (std::int64_t i = 0; i < offered; ++i) reservoir.offer({.index = i});
    for (const std::int64_t i : indices(reservoir.take())) ++counts[static_cast<std::size_t>(i)];
  }
  return counts;
}

/// Pearson's statistic of the counts against an equal share for each, in units of its standard deviations from its
/// mean. Keeping exactly `max_count` makes the counts a little more even than independent ones: by 1 −
/// max_count/offered.
double strain(const std::vector<int>& counts, double max_count, double seeds) {
  const auto offered = static_cast<double>(counts.size());
  const double expected = seeds * max_count / offered;
  double statistic = 0;
  for (const int count : counts) statistic += (count - expected) * (count - expected) / expected;
  statistic /= 1 - max_count / offered;
  return (statistic - (offered - 1)) / std::sqrt(2 * (offered - 1));
}

TEST(Reservoir, KeepsEachTextWithTheSameChance) {
  constexpr std::uint64_t kSeeds = 4000;
  for (const auto& [offered, max_count] :
       {std::pair<std::int64_t, std::int64_t>{50, 5}, {50, 25}, {20, 1}, {300, 10}}) {
    const auto counts = kept_counts(offered, max_count, kSeeds);
    const double value = strain(counts, static_cast<double>(max_count), kSeeds);
    EXPECT_LT(std::abs(value), 5) << offered << " offered, " << max_count << " kept";
  }
}

// The test above must be able to fail: a sampler that keeps each new text with chance 1/2 favours the last ones.
TEST(Reservoir, AnUnfairSamplerWouldBeSeen) {
  std::vector<int> counts(50);
  std::mt19937_64 generator(1);
  for (int seed = 0; seed < 4000; ++seed) {
    std::vector<std::size_t> kept;
    for (std::size_t i = 0; i < 50; ++i) {
      if (kept.size() < 5) {
        kept.push_back(i);
      } else if (const auto place = generator() % 10; place < 5) {
        kept[place] = i;
      }
    }
    for (const std::size_t i : kept) ++counts[i];
  }
  EXPECT_GT(strain(counts, 5, 4000), 50);
}

TEST(Reservoir, PairsOfTextsAreNotTiedTogether) {
  // Two neighbours are both kept with the chance m(m−1)/(n(n−1)), near and far ones alike.
  constexpr std::int64_t kOffered = 30;
  constexpr std::int64_t kMax = 6;
  constexpr std::uint64_t kSeeds = 20000;
  double neighbours = 0;
  double ends = 0;
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    Reservoir reservoir(kMax, seed);
    for (std::int64_t i = 0; i < kOffered; ++i) reservoir.offer({.index = i});
    const auto kept = indices(reservoir.take());
    const std::set<std::int64_t> set(kept.begin(), kept.end());
    neighbours += set.contains(14) && set.contains(15) ? 1 : 0;
    ends += set.contains(0) && set.contains(kOffered - 1) ? 1 : 0;
  }
  const double chance = 6.0 * 5 / (30 * 29);
  const double spread = std::sqrt(chance * (1 - chance) / kSeeds);
  EXPECT_NEAR(neighbours / kSeeds, chance, 5 * spread);
  EXPECT_NEAR(ends / kSeeds, chance, 5 * spread);
}

TEST(Reservoir, KeepsAllOfFewInOrder) {
  Reservoir reservoir(10, 3);
  for (std::int64_t i = 0; i < 7; ++i) reservoir.offer({.index = i});
  EXPECT_EQ(indices(reservoir.take()), (std::vector<std::int64_t>{0, 1, 2, 3, 4, 5, 6}));
}

// What is kept never exceeds the sample, however much is offered.
TEST(Reservoir, HoldsNoMoreThanAsked) {
  Reservoir reservoir(5, 1);
  const std::string big(100000, 'x');
  for (std::int64_t i = 0; i < 20000; ++i) reservoir.offer({.index = i, .text = big});
  EXPECT_EQ(reservoir.seen(), 20000);
  const auto kept = reservoir.take();
  ASSERT_EQ(kept.size(), 5U);
  EXPECT_LE(kept.capacity(), 8U);
  for (std::size_t i = 1; i < kept.size(); ++i) EXPECT_LT(kept[i - 1].index, kept[i].index);
}

TEST(TextSample, IsTheSameForASeedWhateverTheBatchesAndThreads) {
  const auto sample = [](int threads, std::int64_t batch_tokens, std::uint64_t seed) {
    InspectOptions options = options_of(10, seed);
    options.encode.batch_tokens = batch_tokens;
    const auto encoder = tiny_encoder(threads);
    return draw_sample(encoder, source_of(2000, mixed_words), options);
  };
  const TextSample first = sample(1, 0, 7);
  for (const int threads : {1, 2, 5}) {
    for (const std::int64_t batch_tokens : {0, 16, 4096}) {
      const TextSample other = sample(threads, batch_tokens, 7);
      EXPECT_EQ(bucket_indices(other), bucket_indices(first)) << threads << " threads, batches of " << batch_tokens;
      EXPECT_EQ(indices(other.cuts), indices(first.cuts));
    }
  }
  const TextSample other = sample(1, 0, 8);
  for (std::size_t bucket = 0; bucket < first.by_bucket.size(); ++bucket) {
    EXPECT_NE(indices(other.by_bucket[bucket]), indices(first.by_bucket[bucket])) << "bucket " << bucket;
  }
  EXPECT_NE(indices(other.cuts), indices(first.cuts));
}

TEST(TextSample, EveryBucketGetsItsShareHoweverRareItsLengths) {
  const auto encoder = tiny_encoder();
  // One text in a hundred is long, one in a hundred in between.
  const auto words = [](std::int64_t i) { return i % 100 == 7 ? 40 : i % 100 == 50 ? 10 : 2; };
  const TextSample sample = draw_sample(encoder, source_of(1500, words), options_of(12, 3));
  ASSERT_EQ(sample.by_bucket.size(), 3U);
  EXPECT_EQ(sample.texts, 1500);
  EXPECT_EQ(sample.buckets[0].texts_seen, 1470);
  EXPECT_EQ(sample.buckets[1].texts_seen, 15);
  EXPECT_EQ(sample.buckets[2].texts_seen, 15);
  for (std::size_t bucket = 0; bucket < 3; ++bucket) {
    ASSERT_EQ(sample.by_bucket[bucket].size(), 12U);
    for (const SampledText& text : sample.by_bucket[bucket]) {
      EXPECT_GE(text.used, sample.buckets[bucket].min_tokens);
      EXPECT_LE(text.used, sample.buckets[bucket].max_tokens);
      EXPECT_EQ(text.used, words(text.index) + 2) << "two special tokens";
      EXPECT_EQ(text.id, fmt::format("n{}", text.index));
    }
  }
}

// Of a bucket, by the whole way through the sampler: its texts come mixed with those of other lengths.
TEST(TextSample, EachTextOfABucketIsEquallyLikely) {
  const auto encoder = tiny_encoder();
  constexpr std::int64_t kTexts = 120;
  constexpr int kSeeds = 600;
  std::vector<int> counts(kTexts / 3);
  for (int seed = 0; seed < kSeeds; ++seed) {
    const auto words = [](std::int64_t i) { return i % 3 == 1 ? 10 : 2; };
    const auto sample = draw_sample(encoder, source_of(kTexts, words), options_of(5, static_cast<std::uint64_t>(seed)));
    ASSERT_EQ(sample.by_bucket[1].size(), 5U);
    for (const SampledText& text : sample.by_bucket[1]) ++counts[static_cast<std::size_t>(text.index / 3)];
  }
  EXPECT_LT(std::abs(strain(counts, 5, kSeeds)), 5);
}

// Buckets and cut lengths must not draw the same places: their samples would not be independent.
TEST(TextSample, BucketsDrawForThemselves) {
  const auto encoder = tiny_encoder();
  const auto words = [](std::int64_t i) { return i % 2 == 0 ? 2 : 10; };
  const auto sample = draw_sample(encoder, source_of(2000, words), options_of(20, 5));
  std::array<std::vector<std::int64_t>, 2> places;
  for (std::size_t bucket : {0U, 1U}) {
    for (const std::int64_t index : indices(sample.by_bucket[bucket])) places[bucket].push_back(index / 2);
  }
  EXPECT_NE(places[0], places[1]);
}

}  // namespace
}  // namespace treble::internal
