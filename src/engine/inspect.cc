// The collapse inspection: samples, encodes at every temperature, measures.
#include <algorithm>
#include <numeric>
#include <utility>

#include "base/fail.h"
#include "diagnostics/isotropy.h"
#include "diagnostics/layer_probe.h"
#include "diagnostics/length_slope.h"
#include "diagnostics/neighbors.h"
#include "diagnostics/pairwise_cosine.h"
#include "diagnostics/verdict.h"
#include "engine/encoder_access.h"
#include "engine/text_sample.h"
#include "treble/collapse_report.h"
#include "treble/provenance.h"

namespace treble {

using namespace internal;

namespace {

/// Beyond that a page of points is a smear and a megabyte.
constexpr std::size_t kMostMapTexts = 2000;
constexpr std::size_t kMapTextBytes = 240;
/// Texts encoded in one call.
constexpr std::size_t kLotTexts = 256;

/// At most so many bytes, cut between characters.
std::string beginning(const std::string& text, std::size_t most) {
  if (text.size() <= most) return text;
  std::size_t end = most;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) --end;
  return text.substr(0, end) + "…";
}

std::vector<std::string_view> views(const std::vector<SampledText>& texts) {
  std::vector<std::string_view> result;
  result.reserve(texts.size());
  for (const SampledText& text : texts) result.emplace_back(text.text);
  return result;
}

ConstMatrixView matrix(const Embeddings& embeddings) {
  return {embeddings.values.data(), embeddings.count, embeddings.dim};
}

/// At most so many of a sample, from all over it.
std::vector<std::string_view> evenly_spaced(const std::vector<std::string_view>& texts, std::size_t most) {
  if (texts.size() <= most) return texts;
  std::vector<std::string_view> chosen;
  chosen.reserve(most);
  for (std::size_t i = 0; i < most; ++i) chosen.push_back(texts[(2 * i + 1) * texts.size() / (2 * most)]);
  return chosen;
}

class Inspection {
 public:
  Inspection(const SentenceEncoder& encoder, const InspectOptions& options) : encoder_(encoder), options_(options) {
    check_options();
    temperatures_.emplace_back();
    for (const auto& temperature : options_.temperatures) {
      if (!temperature.is_identity()) temperatures_.push_back(temperature);
    }
    layers_.resize(static_cast<std::size_t>(encoder_.info().num_layers));
    std::iota(layers_.begin(), layers_.end(), 0);
    if (options_.layers) layers_ = *options_.layers;
  }

  CollapseReport run(const InspectSource& source) {
    sample_ = draw_sample(encoder_, source, options_);
    start_report();
    for (std::size_t t = 0; t < temperatures_.size(); ++t) {
      measure_sample(t);
      measure_cuts(t);
      probe_layers(t);
    }
    for (const PostSpec& spec : options_.posts) measure_post(spec);
    report_.findings = find_collapse(report_);
    report_.verdict = describe_collapse(report_);
    return std::move(report_);
  }

 private:
  void check_options() const {
    const auto least = [](const char* what, std::int64_t value, std::int64_t wanted) {
      if (value < wanted) fail(ErrorCode::invalid_argument, "{} must be at least {}, got {}", what, wanted, value);
    };
    least("sample (texts of each length)", options_.sample, 2);
    least("bootstrap (resamples)", options_.bootstrap, 0);
    least("probe_texts", options_.probe_texts, 1);
    least("neighbors", options_.neighbors, 1);
    for (const std::int64_t layer : options_.layers.value_or(std::vector<std::int64_t>{})) {
      if (layer < 0 || layer >= encoder_.info().num_layers) {
        fail(ErrorCode::invalid_argument, "layer {} does not exist: {} has layers 0 to {}", layer, encoder_.info().name,
             encoder_.info().num_layers - 1);
      }
    }
  }

  void start_report() {
    report_.model = encoder_.info().name;
    report_.provenance = provenance_json(encoder_, options_.encode);
    report_.baked_temperature = encoder_.info().baked_temperature;
    report_.texts = sample_.texts;
    report_.truncated_texts = sample_.truncated_texts;
    report_.max_length = options_.encode.max_length.value_or(encoder_.info().max_length);
    report_.sample = options_.sample;
    report_.seed = options_.seed;
    report_.neighbors = options_.neighbors;
    report_.buckets = sample_.buckets;
    report_.cut_lengths = sample_.cut_lengths;
    const auto& asked = options_.cut_lengths;
    report_.shortest_cut_asked = asked.empty() ? 0 : *std::min_element(asked.begin(), asked.end());
    report_.cut_texts = static_cast<std::int64_t>(sample_.cuts.size());
    for (const auto& temperature : temperatures_) {
      report_.settings.push_back(temperature.to_string());
      report_.temperatures_canonical.push_back(temperature.canonical());
    }
    report_.num_temperatures = static_cast<std::int64_t>(temperatures_.size());
    for (auto& bucket : sample_.by_bucket) {
      std::move(bucket.begin(), bucket.end(), std::back_inserter(texts_));
      ends_.push_back(static_cast<std::int64_t>(texts_.size()));
    }
    sample_.by_bucket.clear();
    const auto lengths = report_.cut_lengths.size();
    const auto probed =
        layers_.empty() ? 0 : std::min(sample_.cuts.size(), static_cast<std::size_t>(options_.probe_texts));
    work_ = temperatures_.size() * (texts_.size() + options_.queries.size() + lengths * (sample_.cuts.size() + probed));
    start_map();
  }

  /// Texts for the map: all of the sample, or evenly spaced ones, so that every bucket keeps its share.
  void start_map() {
    const std::size_t count = std::min(texts_.size(), kMostMapTexts);
    place_in_map_.assign(texts_.size(), -1);
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t row = i * texts_.size() / count;
      place_in_map_[row] = static_cast<std::int64_t>(i);
      const SampledText& text = texts_[row];
      report_.map.texts.push_back({text.id.empty() ? std::to_string(text.index) : text.id,
                                   text.used,
                                   beginning(text.text, kMapTextBytes),
                                   {},
                                   {}});
    }
  }

  EncodeOptions encode_options(std::size_t t) const {
    EncodeOptions encode = options_.encode;
    encode.temperature = temperatures_[t];
    // Cutting is the point here, or has been counted in the report.
    if (encode.truncation == Truncation::error) encode.truncation.reset();
    return encode;
  }

  void measure_sample(std::size_t t) {
    Embeddings embeddings = encode_texts("encoding", views(texts_), encode_options(t));
    const ConstMatrixView vectors = matrix(embeddings);
    const Spectrum spectrum = measure_vectors(vectors, ends_);
    if (t == 0) axes_ = spectrum;
    add_to_map(vectors);
    measure_queries(t, vectors);
    if (t == 0 && !options_.posts.empty()) untouched_ = std::move(embeddings);
  }

  /// What is measured of vectors alone; groups end at `ends`.
  Spectrum measure_vectors(ConstMatrixView vectors, const std::vector<std::int64_t>& ends) {
    auto& cosines = report_.bucket_cosine.emplace_back();
    std::int64_t begin = 0;
    for (const std::int64_t end : ends) {
      cosines.push_back(mean_pairwise_cosine(vectors.row_range(begin, end), {options_.bootstrap, options_.seed}));
      begin = end;
    }
    report_.bucket_matrix.push_back(group_cosines(vectors, ends));
    Spectrum spectrum = covariance_spectrum(vectors, 2);
    report_.geometry.push_back(
        {effective_rank(spectrum), isoscore(spectrum), uniformity(vectors), variance_shares(spectrum)});
    add_hubness(nearest_neighbors(vectors, options_.neighbors), ends);
    return spectrum;
  }

  void add_hubness(const std::vector<std::vector<Neighbor>>& neighbors, const std::vector<std::int64_t>& ends) {
    const auto occurrences = k_occurrences(neighbors);
    auto& row = report_.hubness.emplace_back();
    std::size_t begin = 0;
    for (const std::int64_t end : ends) {
      row.push_back(describe_hubness(std::span(occurrences).subspan(begin, static_cast<std::size_t>(end) - begin)));
      begin = static_cast<std::size_t>(end);
    }
  }

  /// A step fitted on the texts of even place and measured on those of odd place.
  void measure_post(const PostSpec& spec) {
    const ConstMatrixView all = matrix(untouched_);
    PostFitter fitter(all.cols);
    std::vector<float> rest;
    std::vector<std::int64_t> rest_tokens;
    std::vector<std::int64_t> rest_ends;
    for (std::int64_t row = 0; row < all.rows; ++row) {
      while (rest_ends.size() < ends_.size() && ends_[rest_ends.size()] == row) {
        rest_ends.push_back(static_cast<std::int64_t>(rest_tokens.size()));
      }
      const std::int64_t tokens = texts_[static_cast<std::size_t>(row)].used;
      const std::span<const float> vector(all.row(row), static_cast<std::size_t>(all.cols));
      if (row % 2 == 0) {
        fitter.add(vector, {&tokens, 1});
      } else {
        rest.insert(rest.end(), vector.begin(), vector.end());
        rest_tokens.push_back(tokens);
      }
    }
    rest_ends.resize(ends_.size(), static_cast<std::int64_t>(rest_tokens.size()));
    const PostTransform transform = fitter.fit(spec, {});
    const std::int64_t dim = transform.output_dim();
    const auto fitted = [&](std::span<const float> values) { return transform.apply(values, true); };
    const auto view = [&](const std::vector<float>& values) {
      return ConstMatrixView(values.data(), static_cast<std::int64_t>(values.size()) / dim, dim);
    };
    report_.settings.push_back(spec.to_string());
    const std::vector<float> values = fitted(rest);
    measure_vectors(view(values), rest_ends);
    auto& cuts = report_.cut_cosine.emplace_back();
    for (const Embeddings& cut : untouched_cuts_) {
      cuts.push_back(mean_pairwise_cosine(view(fitted(cut.values)), {options_.bootstrap, options_.seed}));
    }
    if (options_.queries.empty()) return;
    const std::vector<float> queries = fitted(untouched_queries_.values);
    report_.query_length_slope.push_back(
        length_slope(view(queries), view(values), rest_tokens, {options_.bootstrap, options_.seed}));
  }

  void add_to_map(ConstMatrixView vectors) {
    // Neighbours within the map, so that each can be pointed at.
    std::vector<float> rows;
    for (std::int64_t row = 0; row < vectors.rows; ++row) {
      if (place_in_map_[static_cast<std::size_t>(row)] < 0) continue;
      rows.insert(rows.end(), vectors.row(row), vectors.row(row) + vectors.cols);
    }
    const auto count = static_cast<std::int64_t>(report_.map.texts.size());
    const ConstMatrixView chosen(rows.data(), count, vectors.cols);
    const auto neighbors = nearest_neighbors(chosen, options_.neighbors);
    std::array<double, 2> variance = {};
    double total = 0;
    const std::vector<double> mean = count > 0 ? covariance_spectrum(chosen, 0).mean : std::vector<double>{};
    for (std::int64_t i = 0; i < count; ++i) {
      MapText& text = report_.map.texts[static_cast<std::size_t>(i)];
      std::array<double, 2> at = {};
      for (std::size_t axis = 0; std::cmp_less(axis, axes_.num_axes); ++axis) {
        double offset = 0;
        for (std::int64_t col = 0; col < vectors.cols; ++col) {
          const auto c = static_cast<std::size_t>(col);
          const double weight = axes_.axes[axis * static_cast<std::size_t>(vectors.cols) + c];
          at[axis] += (double{chosen.row(i)[col]} - axes_.mean[c]) * weight;
          offset += (double{chosen.row(i)[col]} - mean[c]) * weight;
        }
        variance[axis] += offset * offset;
      }
      for (std::int64_t col = 0; col < vectors.cols; ++col) {
        const double offset = double{chosen.row(i)[col]} - mean[static_cast<std::size_t>(col)];
        total += offset * offset;
      }
      text.at.push_back(at);
      text.neighbors.push_back(neighbors[static_cast<std::size_t>(i)]);
    }
    if (total > 0) {
      for (double& value : variance) value /= total;
    }
    report_.map.explained.push_back(variance);
  }

  void measure_queries(std::size_t t, ConstMatrixView vectors) {
    if (options_.queries.empty()) return;
    EncodeOptions encode = encode_options(t);
    if (options_.query_prompt_name) {
      encode.prompt_name = options_.query_prompt_name;
      encode.prompt.reset();
    }
    const std::vector<std::string_view> queries(options_.queries.begin(), options_.queries.end());
    Embeddings embeddings = encode_texts("encoding", queries, encode);
    std::vector<std::int64_t> tokens;
    tokens.reserve(texts_.size());
    for (const SampledText& text : texts_) tokens.push_back(text.used);
    report_.query_length_slope.push_back(
        length_slope(matrix(embeddings), vectors, tokens, {options_.bootstrap, options_.seed}));
    if (t == 0) untouched_queries_ = std::move(embeddings);
  }

  void measure_cuts(std::size_t t) {
    EncodeOptions encode = encode_options(t);
    auto& row = report_.cut_cosine.emplace_back();
    for (const std::int64_t length : report_.cut_lengths) {
      encode.max_length = length;
      Embeddings embeddings = encode_texts("cutting", views(sample_.cuts), encode);
      row.push_back(mean_pairwise_cosine(matrix(embeddings), {options_.bootstrap, options_.seed}));
      if (t == 0 && !options_.posts.empty()) untouched_cuts_.push_back(std::move(embeddings));
    }
  }

  void probe_layers(std::size_t t) {
    if (layers_.empty()) return;
    EncodeOptions encode = encode_options(t);
    const auto chosen = evenly_spaced(views(sample_.cuts), static_cast<std::size_t>(options_.probe_texts));
    for (const std::int64_t length : report_.cut_lengths) {
      encode.max_length = length;
      LayerProbe probe({static_cast<std::int64_t>(t), length, layers_}, [&](std::int64_t count, const auto& body) {
        EncoderAccess::parallel_for(encoder_, count, body);
      });
      for (const std::string_view text : chosen) {
        EncoderAccess::observe(encoder_, {&text, 1}, encode, probe);
        tell("looking into the layers", 1);
      }
      const auto attention = probe.attention();
      report_.attention.insert(report_.attention.end(), attention.begin(), attention.end());
      const auto tokens = probe.tokens();
      report_.tokens.insert(report_.tokens.end(), tokens.begin(), tokens.end());
    }
  }

  void tell(std::string_view stage, std::size_t more) {
    done_ += more;
    if (options_.progress) {
      options_.progress({stage, static_cast<std::int64_t>(done_), static_cast<std::int64_t>(work_)});
    }
  }

  /// Some texts at a time, so that the progress moves.
  Embeddings encode_texts(std::string_view stage, std::span<const std::string_view> texts,
                          const EncodeOptions& encode) {
    Embeddings all = EncoderAccess::encode_repeatably(encoder_, {}, encode);
    tell(stage, 0);
    for (std::size_t begin = 0; begin < texts.size(); begin += kLotTexts) {
      const auto lot = texts.subspan(begin, std::min(kLotTexts, texts.size() - begin));
      const Embeddings part = EncoderAccess::encode_repeatably(encoder_, lot, encode);
      all.count += part.count;
      all.values.insert(all.values.end(), part.values.begin(), part.values.end());
      all.token_counts.insert(all.token_counts.end(), part.token_counts.begin(), part.token_counts.end());
      tell(stage, lot.size());
    }
    return all;
  }

  const SentenceEncoder& encoder_;
  const InspectOptions& options_;
  std::vector<Temperature> temperatures_;
  std::vector<std::int64_t> layers_;
  TextSample sample_;
  std::vector<SampledText> texts_;          ///< the buckets' samples, one after the other
  std::vector<std::int64_t> ends_;          ///< of the buckets in texts_
  std::vector<std::int64_t> place_in_map_;  ///< [texts_]; -1: not there
  Spectrum axes_;                           ///< of the untouched model
  /// At temperature 1, kept for the fitted steps.
  Embeddings untouched_;
  std::vector<Embeddings> untouched_cuts_;  ///< [cut length]
  Embeddings untouched_queries_;
  std::size_t work_ = 0;  ///< texts to encode, a text once for each setting and length
  std::size_t done_ = 0;
  CollapseReport report_;
};

}  // namespace

CollapseReport inspect_collapse(const SentenceEncoder& encoder, const InspectSource& texts,
                                const InspectOptions& options) {
  return Inspection(encoder, options).run(texts);
}

CollapseReport inspect_collapse(const SentenceEncoder& encoder, std::span<const std::string_view> texts,
                                const InspectOptions& options) {
  std::size_t next = 0;
  return inspect_collapse(
      encoder,
      [&](InspectText& text) {
        if (next == texts.size()) return false;
        text.id.clear();
        text.text = std::string(texts[next++]);
        return true;
      },
      options);
}

}  // namespace treble
