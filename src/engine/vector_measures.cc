#include "engine/vector_measures.h"

#include <cstddef>

#include "diagnostics/length_slope.h"
#include "diagnostics/neighbors.h"
#include "diagnostics/pairwise_cosine.h"

namespace treble::internal {

namespace {

std::vector<HubnessEstimate> hubness(ConstMatrixView vectors, std::span<const std::int64_t> ends, std::int64_t k) {
  const auto occurrences = k_occurrences(nearest_neighbors(vectors, k));
  std::vector<HubnessEstimate> result;
  std::size_t begin = 0;
  for (const std::int64_t end : ends) {
    result.push_back(describe_hubness(std::span(occurrences).subspan(begin, static_cast<std::size_t>(end) - begin)));
    begin = static_cast<std::size_t>(end);
  }
  return result;
}

/// The sample's rows of odd place, which a step is not fitted on.
struct HeldOutRows {
  std::vector<float> values;
  std::vector<std::int64_t> tokens;
  std::vector<std::int64_t> ends;  ///< of the buckets
};

HeldOutRows fit_on_even_rows(const UntouchedVectors& vectors, PostFitter& fitter) {
  HeldOutRows rest;
  for (std::int64_t row = 0; row < vectors.sample.rows; ++row) {
    while (rest.ends.size() < vectors.ends.size() && vectors.ends[rest.ends.size()] == row) {
      rest.ends.push_back(static_cast<std::int64_t>(rest.tokens.size()));
    }
    const std::int64_t tokens = vectors.tokens[static_cast<std::size_t>(row)];
    const std::span<const float> vector(vectors.sample.row(row), static_cast<std::size_t>(vectors.sample.cols));
    if (row % 2 == 0) {
      fitter.add(vector, {&tokens, 1});
    } else {
      rest.values.insert(rest.values.end(), vector.begin(), vector.end());
      rest.tokens.push_back(tokens);
    }
  }
  rest.ends.resize(vectors.ends.size(), static_cast<std::int64_t>(rest.tokens.size()));
  return rest;
}

}  // namespace

Spectrum measure_vectors(ConstMatrixView vectors, std::span<const std::int64_t> ends, const InspectOptions& options,
                         CollapseReport& report) {
  auto& cosines = report.bucket_cosine.emplace_back();
  std::int64_t begin = 0;
  for (const std::int64_t end : ends) {
    cosines.push_back(mean_pairwise_cosine(vectors.row_range(begin, end), {options.bootstrap, options.seed}));
    begin = end;
  }
  report.bucket_matrix.push_back(group_cosines(vectors, ends));
  Spectrum spectrum = covariance_spectrum(vectors, 2);
  report.geometry.push_back(
      {effective_rank(spectrum), isoscore(spectrum), uniformity(vectors), variance_shares(spectrum)});
  report.hubness.push_back(hubness(vectors, ends, options.neighbors));
  return spectrum;
}

void measure_post(const PostSpec& spec, const UntouchedVectors& vectors, const InspectOptions& options,
                  CollapseReport& report) {
  PostFitter fitter(vectors.sample.cols);
  const HeldOutRows rest = fit_on_even_rows(vectors, fitter);
  const PostTransform transform = fitter.fit(spec, {});
  const std::int64_t dim = transform.output_dim();
  const auto fitted = [&](std::span<const float> values) { return transform.apply(values, true); };
  const auto view = [&](const std::vector<float>& values) {
    return ConstMatrixView(values.data(), static_cast<std::int64_t>(values.size()) / dim, dim);
  };
  report.settings.push_back(spec.to_string());
  const std::vector<float> values = fitted(rest.values);
  measure_vectors(view(values), rest.ends, options, report);
  auto& cuts = report.cut_cosine.emplace_back();
  for (const Embeddings& cut : vectors.cuts) {
    cuts.push_back(mean_pairwise_cosine(view(fitted(cut.values)), {options.bootstrap, options.seed}));
  }
  if (vectors.queries == nullptr) return;
  const std::vector<float> queries = fitted(vectors.queries->values);
  report.query_length_slope.push_back(
      length_slope(view(queries), view(values), rest.tokens, {options.bootstrap, options.seed}));
}

}  // namespace treble::internal
