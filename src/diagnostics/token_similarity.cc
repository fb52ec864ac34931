#include "diagnostics/token_similarity.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <numeric>
#include <random>
#include <utility>

#include "base/percentile_interval.h"
#include "diagnostics/isotropy.h"
#include "diagnostics/token_statistics.h"
#include "kernels/execution.h"

namespace treble::internal {

namespace {

/// 65,536 vectors of 1,024 dimensions take half a gigabyte as doubles.
constexpr std::int64_t kMaxSpreadVectors = 65536;
/// Texts of which two pairs with no text in common can be made.
constexpr std::int64_t kMinForPairVariance = 4;

ConstMatrixView vectors_of(const VectorSequences& texts, std::int64_t text) {
  const auto i = static_cast<std::size_t>(text);
  return texts.rows.row_range(texts.offsets[i], texts.offsets[i + 1]);
}

/// How often each of `count` texts occurs in a bootstrap resample of them.
void draw_weights(std::mt19937_64& generator, std::vector<int>& weights) {
  std::fill(weights.begin(), weights.end(), 0);
  for (std::size_t i = 0; i < weights.size(); ++i) ++weights[generator() % weights.size()];
}

void set_interval(std::vector<double> resampled, std::int64_t units, CosineEstimate& estimate) {
  estimate.low = estimate.high = estimate.mean;
  if (resampled.empty()) return;
  const Bounds bounds = percentile_interval(std::move(resampled), {.units = units});
  // A mean that is the same in every resample may differ from them in the last digit.
  estimate.low = std::min(bounds.low, estimate.mean);
  estimate.high = std::max(bounds.high, estimate.mean);
}

/// The unbiased estimate of the variance of a mean over pairs of texts: the products of the scores of two pairs tell
/// what they have in common where the pairs share a text, beyond what pairs that share none have (as of the U-statistic
/// over all pairs; Lee, U-Statistics, 1990, chapter 5). Needs pairs that share no text.
class PairVariance {
 public:
  PairVariance(std::span<const PairScore> pairs, std::int64_t texts) {
    std::vector<Sum> by_text(static_cast<std::size_t>(texts));
    std::map<std::array<std::int64_t, 2>, Sum> by_pair;
    for (const PairScore& pair : pairs) {
      all_.add(pair.score);
      by_text[static_cast<std::size_t>(pair.query)].add(pair.score);
      by_text[static_cast<std::size_t>(pair.document)].add(pair.score);
      by_pair[{std::min(pair.query, pair.document), std::max(pair.query, pair.document)}].add(pair.score);
    }
    // A product of pairs that share two texts is among those of either text.
    for (const Sum& text : by_text) shared_.add_square(text);
    for (const auto& [texts_of_pair, both] : by_pair) shared_.subtract_square(both);
  }

  bool known() const { return products() > shared_.count; }

  double value() const {
    const double none = (all_.sum * all_.sum - shared_.sum) / (products() - shared_.count);
    return (shared_.sum - shared_.count * none) / products();
  }

 private:
  struct Sum {
    double sum = 0;
    double count = 0;

    void add(double score) {
      sum += score;
      ++count;
    }
    void add_square(const Sum& of) {
      sum += of.sum * of.sum;
      count += of.count * of.count;
    }
    void subtract_square(const Sum& of) {
      sum -= of.sum * of.sum;
      count -= of.count * of.count;
    }
  };

  double products() const { return all_.count * all_.count; }

  Sum all_;
  Sum shared_;  ///< products of two pairs with a text in common
};

/// Numbers the texts of pairs from 0, and says how many there are.
std::int64_t number_texts(std::vector<PairScore>& pairs) {
  std::map<std::int64_t, std::int64_t> numbers;
  for (PairScore& pair : pairs) {
    for (std::int64_t* text : {&pair.query, &pair.document}) {
      *text = numbers.try_emplace(*text, std::ssize(numbers)).first->second;
    }
  }
  return std::ssize(numbers);
}

/// The texts with vectors, in random order.
std::vector<std::int64_t> circle_of(const VectorSequences& texts, std::uint64_t seed) {
  std::vector<std::int64_t> circle;
  for (std::int64_t text = 0; text < texts.count(); ++text) {
    if (vectors_of(texts, text).rows > 0) circle.push_back(text);
  }
  std::mt19937_64 generator(seed);
  for (std::size_t i = circle.size(); i > 1; --i) std::swap(circle[i - 1], circle[generator() % i]);
  return circle;
}

}  // namespace

CosineEstimate mean_token_cosine(const VectorSequences& texts, const BootstrapOptions& options) {
  CosineEstimate estimate;
  std::vector<double> cosines;
  for (std::int64_t text = 0; text < texts.count(); ++text) {
    const ConstMatrixView vectors = vectors_of(texts, text);
    if (vectors.rows < 2) continue;
    cosines.push_back(token_statistics(vectors).token_cosine);
    estimate.pairs += vectors.rows * (vectors.rows - 1) / 2;
  }
  estimate.texts = std::ssize(cosines);
  if (cosines.empty()) return estimate;
  const auto count = static_cast<double>(cosines.size());
  estimate.mean = std::accumulate(cosines.begin(), cosines.end(), 0.0) / count;
  std::mt19937_64 generator(options.seed);
  std::vector<int> weights(cosines.size());
  std::vector<double> means;
  for (int resample = 0; resample < options.resamples; ++resample) {
    draw_weights(generator, weights);
    means.push_back(std::inner_product(cosines.begin(), cosines.end(), weights.begin(), 0.0) / count);
  }
  set_interval(std::move(means), estimate.texts, estimate);
  return estimate;
}

CosineEstimate mean_pair_score(std::vector<PairScore> pairs, const BootstrapOptions& options) {
  CosineEstimate estimate;
  const std::int64_t texts = number_texts(pairs);
  estimate.texts = texts;
  estimate.pairs = std::ssize(pairs);
  if (pairs.empty()) return estimate;
  std::vector<int> weights(static_cast<std::size_t>(texts), 1);
  // NaN where a resample has none of the pairs.
  const auto mean = [&] {
    double sum = 0;
    double total = 0;
    for (const PairScore& pair : pairs) {
      const double weight = static_cast<double>(weights[static_cast<std::size_t>(pair.query)]) *
                            weights[static_cast<std::size_t>(pair.document)];
      sum += weight * pair.score;
      total += weight;
    }
    return sum / total;
  };
  estimate.mean = mean();
  std::mt19937_64 generator(options.seed);
  std::vector<double> means;
  for (int resample = 0; resample < options.resamples; ++resample) {
    draw_weights(generator, weights);
    const double value = mean();
    if (std::isfinite(value)) means.push_back(value);
  }
  if (texts >= kMinForPairVariance) {
    const PairVariance variance(pairs, texts);
    if (variance.known()) correct_spread(means, estimate.mean, variance.value());
  }
  set_interval(std::move(means), texts, estimate);
  return estimate;
}

std::vector<PairScore> max_sim_pairs(const VectorSequences& texts, std::int64_t documents, std::uint64_t seed,
                                     const ForEachIndex& for_each) {
  const std::vector<std::int64_t> circle = circle_of(texts, seed);
  const auto count = std::ssize(circle);
  const std::int64_t others = std::min(documents, count - 1);
  if (others < 1) return {};
  std::vector<PairScore> pairs(static_cast<std::size_t>(count * others));
  for_each(count, [&](std::int64_t place) {
    Workspace workspace;
    const Execution alone(workspace);
    const std::int64_t query = circle[static_cast<std::size_t>(place)];
    const ConstMatrixView asked = vectors_of(texts, query);
    const std::array<std::int64_t, 2> asked_offsets = {0, asked.rows};
    for (std::int64_t step = 1; step <= others; ++step) {
      const std::int64_t document = circle[static_cast<std::size_t>((place + step) % count)];
      const ConstMatrixView found = vectors_of(texts, document);
      const std::array<std::int64_t, 2> found_offsets = {0, found.rows};
      float score = 0;
      max_sim(alone, {asked, asked_offsets}, {found, found_offsets}, {&score, 1, 1});
      pairs[static_cast<std::size_t>(place * others + step - 1)] = {query, document,
                                                                    double{score} / static_cast<double>(asked.rows)};
    }
  });
  return pairs;
}

TokenSpread token_spread(ConstMatrixView vectors) {
  std::vector<float> some;
  if (vectors.rows > kMaxSpreadVectors) {
    for (std::int64_t i = 0; i < kMaxSpreadVectors; ++i) {
      const auto row = vectors.row_span(i * vectors.rows / kMaxSpreadVectors);
      some.insert(some.end(), row.begin(), row.end());
    }
    vectors = {some.data(), kMaxSpreadVectors, vectors.cols};
  }
  const Spectrum spectrum = covariance_spectrum(vectors, 0);
  return {.vectors = vectors.rows, .effective_rank = effective_rank(spectrum), .isoscore = isoscore(spectrum)};
}

}  // namespace treble::internal
