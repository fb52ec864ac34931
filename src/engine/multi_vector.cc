#include "treble/multi_vector.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/cpu.h"
#include "base/fail_about.h"
#include "base/required.h"
#include "base/thread_pool.h"
#include "kernels/max_sim.h"
#include "treble/outputs.h"

namespace treble {

using namespace internal;

namespace {

/// Products for which waking threads pays.
constexpr double kWorkOfAThread = 4e6;
constexpr float kMaxCode = 127;

std::span<const float> row_of(const MultiVectors& vectors, std::int64_t index) {
  const auto i = static_cast<std::size_t>(index);
  const auto dim = static_cast<std::size_t>(vectors.dim);
  const auto begin = static_cast<std::size_t>(vectors.offsets[i]) * dim;
  return {vectors.values.data() + begin, static_cast<std::size_t>(vectors.offsets[i + 1]) * dim - begin};
}

void check_shape(const MultiVectors& vectors, const char* what) {
  const auto& offsets = vectors.offsets;
  const bool whole = vectors.dim >= 0 && std::ssize(offsets) == vectors.count + 1 && offsets.front() == 0 &&
                     std::is_sorted(offsets.begin(), offsets.end()) &&
                     offsets.back() * vectors.dim == std::ssize(vectors.values);
  if (whole) return;
  fail(ErrorCode::invalid_argument,
       "{}: {} offsets, the last {}, do not fit {} texts and {} values of {} dimensions; offsets begin with 0, rise, "
       "and "
       "end with the number of vectors",
       what, offsets.size(), offsets.empty() ? 0 : offsets.back(), vectors.count, vectors.values.size(), vectors.dim);
}

void check_finite(const MultiVectors& vectors, std::int64_t text, const char* what) {
  const auto own = row_of(vectors, text);
  if (std::all_of(own.begin(), own.end(), [](float value) { return std::isfinite(value); })) return;
  fail_text(text, ErrorCode::non_finite, "has a NaN or infinity among the vectors of the {}", what);
}

void check_vectors(const Execution& execution, const MultiVectors& vectors, const char* what) {
  for (std::int64_t text = 0; text < vectors.count; ++text) {
    if (!row_of(vectors, text).empty()) continue;
    fail_text(text, ErrorCode::invalid_argument,
              "has no vectors among the {}, so it has no score; leave it out, or see why none of its tokens is scored",
              what);
  }
  if (all_finite(execution, vectors.values)) return;
  for (std::int64_t text = 0; text < vectors.count; ++text) check_finite(vectors, text, what);
}

int threads_for(double products, int asked) {
  if (asked != 0) return asked;
  return std::clamp(static_cast<int>(std::min(products / kWorkOfAThread, 1e6)), 1, available_threads());
}

VectorSequences view_of(const MultiVectors& vectors) {
  return {{vectors.values.data(), vectors.offsets.back(), vectors.dim}, vectors.offsets};
}

void divide_by_length(const MultiVectors& queries, std::int64_t documents, std::vector<float>& scores) {
  for (std::int64_t query = 0; query < queries.count; ++query) {
    const auto q = static_cast<std::size_t>(query);
    const auto length = static_cast<float>(queries.offsets[q + 1] - queries.offsets[q]);
    const auto begin = scores.begin() + query * documents;
    std::transform(begin, begin + documents, begin, [length](float score) { return score / length; });
  }
}

}  // namespace

TokenVectors MultiVectors::row(std::int64_t index) const {
  if (index < 0 || index >= count) {
    fail(ErrorCode::invalid_argument, "row {} of {} texts; rows go from 0 to {}", index, count, count - 1);
  }
  const auto i = static_cast<std::size_t>(index);
  return {offsets[i + 1] - offsets[i], dim, row_of(*this, index)};
}

MultiVectors encode_multi(const SentenceEncoder& encoder, std::span<const std::string_view> texts,
                          const OutputOptions& options) {
  constexpr OutputKind kKind = OutputKind::multi_vector;
  Outputs outputs = encode_outputs(encoder, texts, {&kKind, 1}, options);
  return std::move(required(outputs.multi_vector));
}

Int8MultiVectors to_int8(const MultiVectors& vectors) {
  check_shape(vectors, "vectors");
  for (std::int64_t text = 0; text < vectors.count; ++text) check_finite(vectors, text, "texts");
  Int8MultiVectors result{.count = vectors.count, .dim = vectors.dim, .offsets = vectors.offsets};
  result.token_counts = vectors.token_counts;
  result.codes.reserve(vectors.values.size());
  const auto dim = static_cast<std::size_t>(vectors.dim);
  for (std::int64_t row = 0; row < vectors.offsets.back(); ++row) {
    const std::span<const float> own(vectors.values.data() + static_cast<std::size_t>(row) * dim, dim);
    float largest = 0;
    for (const float value : own) largest = std::max(largest, std::abs(value));
    const float scale = largest / kMaxCode;
    result.scales.push_back(scale);
    for (const float value : own) {
      // Of a vector so small that its scale is none, nothing is left; others stay within ±127 whatever is rounded.
      const float code = scale > 0 ? std::clamp(std::nearbyint(value / scale), -kMaxCode, kMaxCode) : 0.0F;
      result.codes.push_back(static_cast<std::int8_t>(code));
    }
  }
  return result;
}

MultiVectors to_float32(const Int8MultiVectors& vectors) {
  MultiVectors result{.count = vectors.count, .dim = vectors.dim, .offsets = vectors.offsets};
  result.token_counts = vectors.token_counts;
  result.values.assign(vectors.codes.begin(), vectors.codes.end());
  check_shape(result, "vectors in 8 bits");
  if (std::ssize(vectors.scales) != result.offsets.back()) {
    fail(ErrorCode::invalid_argument, "{} scales for {} vectors; there is one a vector", vectors.scales.size(),
         result.offsets.back());
  }
  const auto dim = static_cast<std::size_t>(result.dim);
  for (std::size_t i = 0; i < result.values.size(); ++i) result.values[i] *= vectors.scales[i / dim];
  return result;
}

std::vector<float> max_sim(const MultiVectors& queries, const MultiVectors& documents, const MaxSimOptions& options) {
  check_shape(queries, "queries");
  check_shape(documents, "documents");
  if (options.threads < 0) fail(ErrorCode::invalid_argument, "threads is {}, it must be at least 0", options.threads);
  std::vector<float> scores(static_cast<std::size_t>(queries.count * documents.count));
  if (scores.empty()) return scores;
  if (queries.dim != documents.dim) {
    fail(ErrorCode::invalid_argument,
         "the queries' vectors have {} dimensions, the documents' {}; both must be of one model", queries.dim,
         documents.dim);
  }
  const double products = static_cast<double>(queries.values.size()) * static_cast<double>(documents.offsets.back());
  ThreadPool pool(threads_for(products, options.threads));
  Workspace workspace;
  const Execution execution(workspace, &pool);
  check_vectors(execution, queries, "queries");
  check_vectors(execution, documents, "documents");
  max_sim(execution, view_of(queries), view_of(documents), {scores.data(), queries.count, documents.count});
  if (options.mean) divide_by_length(queries, documents.count, scores);
  return scores;
}

}  // namespace treble
