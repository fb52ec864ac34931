// Length collapse made visible: how alike the embeddings of short and of long texts are to one another (Zhou et al.,
// arXiv 2410.24200, figure 1), what attention does on the way there, and what a temperature changes. What each measure
// is and how to read it: docs/diagnostics.md.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "treble/class_collapse.h"
#include "treble/export.h"
#include "treble/options.h"
#include "treble/output_options.h"
#include "treble/post_transform.h"
#include "treble/progress.h"
#include "treble/sentence_encoder.h"
#include "treble/state_control.h"
#include "treble/state_report.h"

namespace treble {

/// A text to inspect.
struct InspectText {
  std::string id;    ///< for the reader of the report; may be empty
  std::string text;  ///< in UTF-8
  /// Its class; empty: it has none. Looked at where InspectOptions::label_sample is set.
  std::string label = {};
  std::string place = {};  ///< where it comes from, for messages ("corpus.jsonl:17"); may be empty
};

/// Fills in the next text; false at the end. Read once, in order; what is not sampled is not kept.
using InspectSource = std::function<bool(InspectText&)>;

/// What an inspection measures.
struct InspectOptions {
  /// The temperatures to compare; the untouched model (tau = 1) is always measured first.
  std::vector<Temperature> temperatures = {};
  /// The same for models with states (Mamba-2), which have no attention for a temperature to act on: state controls to
  /// compare with none.
  std::vector<StateControl> states = {};
  /// Tokens of the texts that a model with states was trained on, at least 1: growth of its states is judged against
  /// it. Unset: the limit that the model's own files state; where they state none, nothing is said of growth.
  std::optional<std::int64_t> training_length = {};
  /// Fitted steps behind the untouched model, each a column of its own: fitted on every other text of the sample and
  /// measured on the rest (docs/transforms.md).
  std::vector<PostSpec> posts = {};
  /// Everything else about encoding; its temperature and its state control are ignored.
  EncodeOptions encode = {};
  /// Which of the model's vectors are measured: dense, or the token vectors of texts read as documents (multi_vector;
  /// CollapseReport::token_vectors). Unset: dense ones where the model gives them. Of token vectors neither fitted
  /// steps nor queries nor labels are measured.
  std::optional<OutputKind> output = {};
  /// Of token vectors: how many others of its length each text, as the query, is compared with by MaxSim, at least 1;
  /// drawn at random by `seed`; all of them where there are no more. Unset: 32.
  std::optional<std::int64_t> max_sim_documents = {};
  /// Upper edges of the length buckets in tokens; the last bucket is open.
  std::vector<std::int64_t> bucket_edges = {32, 64, 128, 256, 512};
  /// The lengths in tokens at which the same texts are cut: topic held, length changed. Where no two texts reach the
  /// shortest of them, 4, 8, 16 and so on below it serve instead, and the verdict says so.
  std::vector<std::int64_t> cut_lengths = {32, 64, 128, 256, 512};
  /// At most this many texts a bucket, and this many for the cut control, drawn at random by `seed`.
  std::int64_t sample = 200;
  std::uint64_t seed = 1;  ///< of the samples and the bootstrap
  /// Bootstrap resamples of texts for the intervals.
  int bootstrap = 1000;
  /// Which layers (from 0) to probe; unset: all; empty: none. Probing costs a matrix of tokens² a head; of states,
  /// numbers alone are kept.
  std::optional<std::vector<std::int64_t>> layers = {};
  /// Texts of each cut length that are probed; of a model with states, also the longest sampled texts, read whole.
  std::int64_t probe_texts = 4;
  /// Neighbours of a text, for hubness and the map.
  std::int64_t neighbors = 10;
  /// Queries to hold against the sampled texts, encoded with `query_prompt_name`; empty: no slope is measured.
  std::vector<std::string> queries = {};
  std::optional<std::string> query_prompt_name = {};  ///< one of the model's prompts; unset: as `encode` says
  /// At most this many of the texts that have a label, at least 2, drawn at random by `seed` from all of them (so that
  /// classes keep their shares), are measured by class, in `layers` and the final vectors: treble/class_collapse.h.
  /// Unset: labels are not looked at.
  std::optional<std::int64_t> label_sample = {};
  /// Stages "reading" (steps: texts, total unknown), then "encoding", "cutting", "comparing token vectors", "probing
  /// layers", "probing states", "encoding labelled texts", "measuring classes" (steps: texts, each once for each
  /// setting and length, counted over all of them).
  ProgressCallback progress = {};
  /// Heard after every chunk of texts that is read, and between micro-batches; ends the call with Error{interrupted}.
  std::stop_token stop = {};
};

/// Mean cosine over all pairs of different texts of a group, with its 95 % bootstrap interval (texts are resampled, not
/// pairs; percentiles expanded for small samples). NaN-free: a group of fewer than two texts has `pairs == 0` and no
/// values.
struct CosineEstimate {
  std::int64_t texts = 0;  ///< of the group
  std::int64_t pairs = 0;  ///< of different texts
  double mean = 0;         ///< −1 to 1
  double low = 0;          ///< lower end of the interval
  double high = 0;         ///< upper end of the interval
};

/// Texts by the number of tokens that the model read of them.
struct LengthBucket {
  std::int64_t min_tokens = 0;  ///< inclusive
  std::int64_t max_tokens = 0;  ///< inclusive
  std::int64_t texts_seen = 0;  ///< in the whole input, before sampling
};

/// How evenly the sampled vectors fill their space.
struct GeometryEstimate {
  double effective_rank = 0;     ///< exp of the entropy of `spectrum`
  double isoscore = 0;           ///< 0: one direction, 1: all alike (Rudman et al., arXiv 2108.07344)
  double uniformity = 0;         ///< ln of the mean of exp(−2 ‖x − y‖²) over pairs; lower is more even
  std::vector<double> spectrum;  ///< shares of the variance along the principal axes, falling
};

/// How many directions carry the token vectors of the texts of a group, all laid together.
struct TokenSpread {
  std::int64_t vectors = 0;   ///< that were measured: all, or 65,536 of them, evenly spaced
  double effective_rank = 0;  ///< as of GeometryEstimate; at most the dimensions, and vectors − 1
  double isoscore = 0;        ///< as of GeometryEstimate
};

/// The token vectors of a multi-vector output (treble/multi_vector.h), as MaxSim compares them, of texts read as
/// documents. Texts are resampled for all intervals.
struct TokenVectorReport {
  std::int64_t dim = 0;                ///< of a vector
  std::int64_t max_sim_documents = 0;  ///< that each text was compared with, at most
  /// [setting][bucket]: mean cosine between different vectors of one text, the mean over the texts that have two;
  /// `pairs` are pairs of vectors of one text.
  std::vector<std::vector<CosineEstimate>> token_cosine;
  /// [setting][bucket]: MaxSim of one text as the query and another one of its bucket as the document, divided by the
  /// query's vectors (−1 to 1 where vectors have length 1); `pairs` are those compared, (query, document).
  std::vector<std::vector<CosineEstimate>> max_sim;
  std::vector<std::vector<TokenSpread>> spread;               ///< [setting][bucket]
  std::vector<std::vector<CosineEstimate>> cut_token_cosine;  ///< [setting][cut length]
  std::vector<std::vector<CosineEstimate>> cut_max_sim;       ///< [setting][cut length]
};

/// In how many of the others' neighbour lists the texts of a group stand.
struct HubnessEstimate {
  std::int64_t texts = 0;    ///< of the group
  double mean = 0;           ///< occurrences of a text
  double skewness = 0;       ///< of the occurrences; high: a few hubs
  double antihub_share = 0;  ///< of texts that stand in none
};

/// A near text.
struct Neighbor {
  std::int64_t index = 0;  ///< among the texts that were compared
  double cosine = 0;       ///< to the text whose neighbour it is
};

/// Rise of query-document cosine per unit of ln(tokens).
struct SlopeEstimate {
  std::int64_t queries = 0;    ///< 0: nothing could be measured
  std::int64_t documents = 0;  ///< that each query was compared with
  double slope = 0;            ///< of the regression
  double low = 0;              ///< lower end of the 95 % interval
  double high = 0;             ///< upper end of the 95 % interval
};

/// Attention of one layer at one length, means over the probed texts.
struct AttentionEstimate {
  std::int64_t setting = 0;  ///< index into CollapseReport::settings
  std::int64_t layer = 0;    ///< from 0
  std::int64_t head = -1;    ///< -1: mean over heads
  std::int64_t length = 0;   ///< in tokens, at which the texts were cut
  std::int64_t texts = 0;    ///< that were probed
  double logit_std = 0;      ///< σ_s, temperature included
  double entropy = 0;        ///< normalised, 0 to 1
  double filter_rate = 0;    ///< σ_a, measured
  double bound = 0;          ///< what the paper bounds it by
  double above_bound = 0;    ///< share of (text, head) whose measured rate is above its bound
};

/// A text's tokens after `layer` blocks (0: after the embeddings), means over the probed texts.
struct TokenEstimate {
  std::int64_t setting = 0;  ///< index into CollapseReport::settings
  std::int64_t layer = 0;    ///< blocks before it
  std::int64_t length = 0;   ///< in tokens, at which the texts were cut
  double hc_ratio = 0;       ///< ‖HC[X]‖_F / ‖X‖_F
  double token_cosine = 0;   ///< mean over pairs of tokens
};

/// A text on the map.
struct MapText {
  std::string id;                                ///< as given, else its index in the input
  std::int64_t tokens = 0;                       ///< that the model read
  std::string text;                              ///< its beginning
  std::vector<std::array<double, 2>> at;         ///< [setting]
  std::vector<std::vector<Neighbor>> neighbors;  ///< [setting], nearest first
};

/// The sampled texts on the two principal axes of the untouched model's vectors; other settings lie on the same axes.
struct TextMap {
  std::vector<std::array<double, 2>> explained;  ///< [setting]: share of its variance that each axis carries
  std::vector<MapText> texts;                    ///< in the order of the buckets
};

/// The numbers behind the verdict. Of token vectors they are about TokenVectorReport::token_cosine: how alike the
/// vectors within a longer text are, beside those within a shorter one.
struct CollapseFindings {
  bool compared = false;         ///< two buckets had enough texts
  std::size_t short_bucket = 0;  ///< index into CollapseReport::buckets
  std::size_t long_bucket = 0;   ///< index into CollapseReport::buckets
  /// The longer ones are more alike, the intervals do not overlap, and the ratio is 1.05 or more; where there is none,
  /// the difference is 0.0025 or more.
  bool visible = false;
  /// Of the mean cosines. Nothing where the shorter ones' is below 0.05, or its interval reaches below half of it: that
  /// would be to divide by next to nothing.
  std::optional<double> ratio;
  /// What cutting the same texts explains of the difference between the buckets, 0 to 1: of topic and length, length.
  std::optional<double> explained_by_length;
};

/// What an inspection found.
struct CollapseReport {
  std::string model;  ///< its name
  /// How the untouched model's vectors were made: a JSON object as of provenance_json (treble/provenance.h).
  std::string provenance;
  std::string baked_temperature;  ///< in the weights before anything is measured; empty: none
  std::string verdict;            ///< two or three sentences for people
  /// What the columns are: the temperatures' written forms, the first "1", the untouched model; of a model with states
  /// the state controls', the first "none". Then the fitted steps, for which there is neither attention nor tokens nor
  /// a place on the map.
  std::vector<std::string> settings;
  std::int64_t num_temperatures = 0;                ///< how many of them are temperatures
  std::vector<std::string> temperatures_canonical;  ///< of each temperature: Temperature::canonical
  std::int64_t num_states = 0;                      ///< how many of them are state controls
  std::vector<std::string> states_canonical;        ///< of each state control: StateControl::canonical
  std::int64_t texts = 0;                           ///< of the input
  std::int64_t truncated_texts = 0;                 ///< longer than the model reads; they count by what was read
  std::int64_t max_length = 0;                      ///< tokens the model reads at most
  std::int64_t position_limit = 0;                  ///< ModelInfo::position_limit
  std::int64_t extended_texts = 0;                  ///< read beyond it, with ModelOptions::extension
  std::int64_t text_tokens = 0;                     ///< of all texts, special tokens and prompt included
  std::int64_t read_tokens = 0;                     ///< of these, within max_length
  std::vector<LengthBucket> buckets;                ///< by length, shortest first
  /// Unset where dense vectors are measured; else bucket_cosine, cut_cosine, bucket_matrix, geometry, hubness, the
  /// slope and the map are empty.
  std::optional<TokenVectorReport> token_vectors;
  std::vector<std::vector<CosineEstimate>> bucket_cosine;  ///< [setting][bucket]
  std::vector<std::int64_t> cut_lengths;                   ///< in tokens; empty when no text is long enough
  std::int64_t shortest_cut_asked = 0;                     ///< InspectOptions::cut_lengths' shortest; 0: none
  std::int64_t cut_texts = 0;                              ///< texts at least as long as the longest of cut_lengths
  std::vector<std::vector<CosineEstimate>> cut_cosine;     ///< [setting][cut length]
  CollapseFindings findings;                               ///< what the verdict says
  std::vector<std::string> advice;                         ///< what to do about it, a sentence each (docs/evidence.md)
  std::vector<std::vector<std::vector<std::optional<double>>>> bucket_matrix;  ///< [setting][bucket][bucket]
  std::vector<GeometryEstimate> geometry;                                      ///< [setting]
  std::int64_t neighbors = 0;                                                  ///< as asked
  std::vector<std::vector<HubnessEstimate>> hubness;                           ///< [setting][bucket]
  std::vector<SlopeEstimate> query_length_slope;                               ///< [setting]; empty without queries
  std::vector<AttentionEstimate>
      attention;  ///< of each layer over its heads, then of each head; empty where no layer was probed
  std::vector<TokenEstimate> tokens;   ///< of each layer, at each length and setting
  TextMap map;                         ///< of the sampled texts
  std::optional<ClassReport> classes;  ///< of the labelled texts; unset where labels are not looked at
  std::optional<StateReport> states;   ///< unset for models without states, and where no layer is probed
  std::int64_t sample = 0;             ///< as asked
  std::uint64_t seed = 0;              ///< as asked
};

/// Measures. Deterministic for a seed. Memory holds the samples, not the input: at most `sample` texts a bucket and a
/// cut length. Throws what SentenceEncoder::encode throws, Error{invalid_argument} for options out of range, and
/// Error{unsupported} before anything is read for a temperature without attention, a state control without states, an
/// output that the model does not give, and for what is not measured of token vectors.
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
