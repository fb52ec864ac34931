// Length collapse made visible: how alike the embeddings of short and of long texts are to one another (Zhou et al.,
// arXiv 2410.24200, figure 1), what attention does on the way there, and what a temperature changes. What each measure
// is and how to read it: docs/diagnostics.md.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "treble/export.h"
#include "treble/options.h"
#include "treble/post_transform.h"
#include "treble/sentence_encoder.h"

namespace treble {

struct InspectText {
  std::string id;  ///< for the reader of the report; may be empty
  std::string text;
};

/// Fills in the next text; false at the end. Read once, in order; what is not sampled is not kept.
using InspectSource = std::function<bool(InspectText&)>;

/// How far an inspection is.
struct InspectProgress {
  std::string_view stage;  ///< "reading", "encoding", "cutting", "looking into the layers"
  std::int64_t done = 0;   ///< texts read, later texts encoded, a text once for each setting and length
  std::int64_t total = 0;  ///< of them; 0 while reading: not known
};

struct InspectOptions {
  /// The temperatures to compare; the untouched model (tau = 1) is always measured first.
  std::vector<Temperature> temperatures = {};
  /// Fitted steps behind the untouched model, each a column of its own: fitted on every other text of the sample and
  /// measured on the rest (docs/transforms.md).
  std::vector<PostSpec> posts = {};
  /// Everything else about encoding; its temperature field is ignored.
  EncodeOptions encode = {};
  /// Upper edges of the length buckets in tokens; the last bucket is open.
  std::vector<std::int64_t> bucket_edges = {32, 64, 128, 256, 512};
  /// The lengths in tokens at which the same texts are cut: topic held, length changed. Where no two texts reach the
  /// shortest of them, 4, 8, 16 and so on below it serve instead, and the verdict says so.
  std::vector<std::int64_t> cut_lengths = {32, 64, 128, 256, 512};
  /// At most this many texts a bucket, and this many for the cut control, drawn at random by `seed`.
  std::int64_t sample = 200;
  std::uint64_t seed = 1;
  /// Bootstrap resamples of texts for the intervals.
  int bootstrap = 1000;
  /// Which layers (from 0) to look into; unset: all; empty: none. Looking costs a matrix of tokens² a head.
  std::optional<std::vector<std::int64_t>> layers = {};
  /// Texts a cut length that are looked into.
  std::int64_t probe_texts = 4;
  /// Neighbours of a text, for hubness and the map.
  std::int64_t neighbors = 10;
  /// Queries to hold against the sampled texts, encoded with `query_prompt_name`; empty: no slope is measured.
  std::vector<std::string> queries = {};
  std::optional<std::string> query_prompt_name = {};
  /// Called now and then on the calling thread; may be empty. Throwing stops.
  std::function<void(const InspectProgress&)> progress = {};
};

/// Mean cosine over all pairs of different texts of a group, with its 95 % bootstrap interval (texts are resampled, not
/// pairs; percentiles expanded for small samples). NaN-free: a group of fewer than two texts has `pairs == 0` and no
/// values.
struct CosineEstimate {
  std::int64_t texts = 0;
  std::int64_t pairs = 0;
  double mean = 0;
  double low = 0;
  double high = 0;
};

/// Texts by the number of tokens that the model read of them.
struct LengthBucket {
  std::int64_t min_tokens = 0;  ///< inclusive
  std::int64_t max_tokens = 0;  ///< inclusive
  std::int64_t texts_seen = 0;  ///< in the whole input, before sampling
};

/// How evenly the sampled vectors fill their space.
struct GeometryEstimate {
  double effective_rank = 0;
  double isoscore = 0;
  double uniformity = 0;
  std::vector<double> spectrum;  ///< shares of the variance along the principal axes, falling
};

/// In how many of the others' neighbour lists the texts of a group stand.
struct HubnessEstimate {
  std::int64_t texts = 0;
  double mean = 0;
  double skewness = 0;
  double antihub_share = 0;  ///< of texts that stand in none
};

struct Neighbor {
  std::int64_t index = 0;
  double cosine = 0;
};

/// Rise of query-document cosine per unit of ln(tokens).
struct SlopeEstimate {
  std::int64_t queries = 0;  ///< 0: nothing could be measured
  std::int64_t documents = 0;
  double slope = 0;
  double low = 0;
  double high = 0;
};

/// Attention of one layer at one length, means over the probed texts.
struct AttentionEstimate {
  std::int64_t setting = 0;  ///< index into CollapseReport::settings
  std::int64_t layer = 0;
  std::int64_t head = -1;  ///< -1: mean over heads
  std::int64_t length = 0;
  std::int64_t texts = 0;
  double logit_std = 0;    ///< σ_s, temperature included
  double entropy = 0;      ///< normalised, 0 to 1
  double filter_rate = 0;  ///< σ_a, measured
  double bound = 0;        ///< what the paper bounds it by
  double above_bound = 0;  ///< share of (text, head) whose measured rate is above its bound
};

/// A text's tokens after `layer` blocks (0: after the embeddings), means over the probed texts.
struct TokenEstimate {
  std::int64_t setting = 0;
  std::int64_t layer = 0;
  std::int64_t length = 0;
  double hc_ratio = 0;
  double token_cosine = 0;
};

struct MapText {
  std::string id;
  std::int64_t tokens = 0;
  std::string text;                              ///< its beginning
  std::vector<std::array<double, 2>> at;         ///< [setting]
  std::vector<std::vector<Neighbor>> neighbors;  ///< [setting], nearest first
};

/// The sampled texts on the two principal axes of the untouched model's vectors; other settings lie on the same axes.
struct TextMap {
  std::vector<std::array<double, 2>> explained;  ///< [setting]: share of its variance that each axis carries
  std::vector<MapText> texts;
};

/// The numbers behind the verdict.
struct CollapseFindings {
  bool compared = false;  ///< two buckets had enough texts
  std::size_t short_bucket = 0;
  std::size_t long_bucket = 0;
  /// The longer ones are more alike, the intervals do not overlap, and the ratio, if there is one, is 1.05 or more.
  bool visible = false;
  std::optional<double> ratio;  ///< of the mean cosines, when the shorter ones' is over 0.01
  /// What cutting the same texts explains of the difference between the buckets, 0 to 1: of topic and length, length.
  std::optional<double> explained_by_length;
};

struct CollapseReport {
  std::string model;
  /// How the untouched model's vectors were made: a JSON object as of provenance_json (treble/provenance.h).
  std::string provenance;
  std::string baked_temperature;  ///< in the weights before anything is measured; empty: none
  std::string verdict;            ///< two or three sentences for people
  /// What the columns are: the temperatures' written forms, the first "1", the untouched model; then the fitted steps,
  /// for which there is neither attention nor tokens nor a place on the map.
  std::vector<std::string> settings;
  std::int64_t num_temperatures = 0;                ///< how many of them are temperatures
  std::vector<std::string> temperatures_canonical;  ///< [num_temperatures]: Temperature::canonical
  std::int64_t texts = 0;
  std::int64_t truncated_texts = 0;  ///< longer than the model reads; they count by what was read
  std::int64_t max_length = 0;       ///< tokens the model reads at most
  std::vector<LengthBucket> buckets;
  std::vector<std::vector<CosineEstimate>> bucket_cosine;  ///< [setting][bucket]
  std::vector<std::int64_t> cut_lengths;                   ///< in tokens; empty when no text is long enough
  std::int64_t shortest_cut_asked = 0;                     ///< InspectOptions::cut_lengths' shortest; 0: none
  std::int64_t cut_texts = 0;                              ///< texts at least as long as the longest of cut_lengths
  std::vector<std::vector<CosineEstimate>> cut_cosine;     ///< [setting][cut length]
  CollapseFindings findings;
  std::vector<std::vector<std::vector<std::optional<double>>>> bucket_matrix;  ///< [setting][bucket][bucket]
  std::vector<GeometryEstimate> geometry;                                      ///< [setting]
  std::int64_t neighbors = 0;
  std::vector<std::vector<HubnessEstimate>> hubness;  ///< [setting][bucket]
  std::vector<SlopeEstimate> query_length_slope;      ///< [setting]; empty without queries
  std::vector<AttentionEstimate> attention;
  std::vector<TokenEstimate> tokens;
  TextMap map;
  std::int64_t sample = 0;
  std::uint64_t seed = 0;
};

/// Measures. Deterministic for a seed. Memory holds the samples, not the input: at most `sample` texts a bucket and a
/// cut length. Throws what SentenceEncoder::encode throws, and Error{invalid_argument} for options out of range.
TREBLE_API CollapseReport inspect_collapse(const SentenceEncoder& encoder, const InspectSource& texts,
                                           const InspectOptions& options);

/// The same for texts in memory.
TREBLE_API CollapseReport inspect_collapse(const SentenceEncoder& encoder, std::span<const std::string_view> texts,
                                           const InspectOptions& options);

/// A machine-readable form ("kind": "inspect"); keys are the field names above, missing values null.
TREBLE_API std::string to_json(const CollapseReport& report);

/// One self-contained page for people: report_page(to_json(report)), see treble/report_page.h.
TREBLE_API std::string to_html(const CollapseReport& report);

/// Tables for a terminal: one row a bucket, cut length or measure, one column a temperature.
TREBLE_API std::string to_table(const CollapseReport& report);

}  // namespace treble
