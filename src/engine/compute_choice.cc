#include "engine/compute_choice.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>
#include <utility>

#include "base/cpu.h"
#include "engine/encoder_access.h"
#include "kernels/onednn/effective_isa.h"
#include "treble/multi_vector.h"
#include "treble/sparse.h"

namespace treble::internal {

namespace {

/// Of models up to that width on that kind of CPU, bfloat16 comes before int8. Where a kind is not named int8 comes
/// first. Evidence: docs/performance.md.
struct PreferBfloat16 {
  CpuKind kind;
  std::int64_t max_hidden_size;
};

constexpr std::array<PreferBfloat16, 1> kPreferBfloat16 = {{
    // Emerald Rapids, MiniLM (384 wide): on short texts int8 reads 35,200 tokens a second where bfloat16 reads 40,200,
    // and loses 249e-6 of cosine in place of 15e-6. 768 wide a layer's int8 products are 1.4 to 1.5 times as fast.
    {CpuKind::amx, 384},
}};

/// The samples are runs of them, so that short and long texts are judged alike.
constexpr std::array<std::string_view, 12> kSentences = {
    "The ferry leaves the harbour at seven and reaches the island before noon.",
    "def mean(values): return sum(values) / len(values)  # raises ZeroDivisionError for an empty list",
    "Patients who took the drug for twelve weeks reported fewer headaches than those on placebo (p < 0.05).",
    "How do I reset my password if I no longer have access to my e-mail address?",
    "Revenue rose by 4.2 % to 318 million, while operating costs fell for the third quarter in a row.",
    "She put the letter back into its envelope, blew out the lamp and listened to the rain.",
    "The court held that the contract was void because neither party had disclosed the earlier agreement.",
    "Preheat the oven to 200 degrees, season the vegetables with salt and thyme, and roast them for forty minutes.",
    "In 1928 the expedition crossed the ice by dog sled; two of its members never returned.",
    "A low-pass filter lets slow changes through and damps whatever alternates quickly.",
    "Le marché se tient chaque samedi sur la place, devant l'église.",
    "Error 0x80070057: the parameter is incorrect. Restart the service and check the log for details."};
/// How many sentences, begun at its own place, each sample has.
constexpr std::array<std::size_t, kNumSamples> kRuns = {1, 1, 1, 1, 2, 2, 3, 3, 4, 6, 8, 10};

std::vector<std::string> samples() {
  std::vector<std::string> texts;
  for (std::size_t i = 0; i < kRuns.size(); ++i) {
    std::string text;
    for (std::size_t j = 0; j < kRuns[i]; ++j) {
      if (j > 0) text += ' ';
      text += kSentences[(i + j) % kSentences.size()];
    }
    texts.push_back(std::move(text));
  }
  return texts;
}

/// Of one column.
double correlation(const Embeddings& a, const Embeddings& b, std::size_t column) {
  const auto mean = [&](const Embeddings& of) {
    double sum = 0;
    for (std::int64_t row = 0; row < of.count; ++row) sum += double{of.row(row)[column]};
    return sum / static_cast<double>(of.count);
  };
  const double mean_a = mean(a);
  const double mean_b = mean(b);
  double both = 0;
  double square_a = 0;
  double square_b = 0;
  for (std::int64_t row = 0; row < a.count; ++row) {
    const double from_a = double{a.row(row)[column]} - mean_a;
    const double from_b = double{b.row(row)[column]} - mean_b;
    both += from_a * from_b;
    square_a += from_a * from_a;
    square_b += from_b * from_b;
  }
  if (square_a == 0 && square_b == 0) return 1;
  return square_a == 0 || square_b == 0 ? 0 : both / std::sqrt(square_a * square_b);
}

/// The mean over the texts; of two without any weight, 1.
double sparse_cosine(const SparseVectors& exact, const SparseVectors& candidate) {
  double sum = 0;
  for (std::int64_t i = 0; i < exact.count; ++i) {
    const SparseRow a = exact.row(i);
    const SparseRow b = candidate.row(i);
    const double lengths = std::sqrt(double{dot(a, a)} * double{dot(b, b)});
    sum += lengths > 0 ? double{dot(a, b)} / lengths : static_cast<double>(a.values.empty() && b.values.empty());
  }
  return sum / static_cast<double>(exact.count);
}

/// Of the vectors of all tokens.
double token_cosine(const MultiVectors& expected, const MultiVectors& found) {
  double sum = 0;
  const auto dim = static_cast<std::size_t>(expected.dim);
  const auto rows = static_cast<std::size_t>(expected.offsets.back());
  for (std::size_t row = 0; row < rows; ++row) {
    sum += cosine(std::span(expected.values).subspan(row * dim, dim), std::span(found.values).subspan(row * dim, dim));
  }
  return sum / static_cast<double>(rows);
}

}  // namespace

std::vector<ComputeType> fast_compute_types(CpuKind kind, std::int64_t hidden_size, bool bfloat16_is_native) {
  if (!bfloat16_is_native) return {ComputeType::int8};
  const bool narrow = std::ranges::any_of(
      kPreferBfloat16, [&](const PreferBfloat16& of) { return of.kind == kind && hidden_size <= of.max_hidden_size; });
  if (narrow) return {ComputeType::bfloat16, ComputeType::int8};
  return {ComputeType::int8, ComputeType::bfloat16};
}

std::vector<ComputeType> fast_compute_types(std::int64_t hidden_size) {
  return fast_compute_types(cpu_kind(onednn::effective_isa(), cpu_features()), hidden_size,
                            is_native(ComputeType::bfloat16));
}

double sample_cosine(const SentenceEncoder& exact, const SentenceEncoder& candidate) {
  const auto texts = samples();
  const std::vector<std::string_view> views(texts.begin(), texts.end());
  if (exact.info().dim == 0 && exact.info().token_dim > 0) {
    return token_cosine(encode_multi(exact, views), encode_multi(candidate, views));
  }
  if (exact.info().dim == 0) return sparse_cosine(encode_sparse(exact, views), encode_sparse(candidate, views));
  const auto expected = exact.encode(views);
  const auto found = candidate.encode(views);
  double sum = 0;
  for (std::int64_t i = 0; i < expected.count; ++i) sum += cosine(expected.row(i), found.row(i));
  return sum / static_cast<double>(expected.count);
}

double sample_correlation(const SentenceEncoder& exact, const SentenceEncoder& candidate) {
  const auto texts = samples();
  std::vector<TextPair> pairs;
  pairs.reserve(texts.size());
  for (std::size_t i = 0; i < texts.size(); ++i)
    pairs.push_back({kSentences[(5 * i + 3) % kSentences.size()], texts[i]});
  const auto expected = EncoderAccess::encode_pairs(exact, pairs, {});
  const auto found = EncoderAccess::encode_pairs(candidate, pairs, {});
  double worst = 1;
  for (std::int64_t label = 0; label < expected.dim; ++label) {
    worst = std::min(worst, correlation(expected, found, static_cast<std::size_t>(label)));
  }
  return worst;
}

}  // namespace treble::internal
