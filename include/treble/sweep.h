// Does a temperature help on this data? Many ways to encode, tried on one data set and judged on the parts of it that
// they were not chosen on. How it is done and how to read the result: docs/sweep.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "treble/chunking.h"
#include "treble/evaluation.h"
#include "treble/export.h"
#include "treble/options.h"
#include "treble/post_transform.h"
#include "treble/progress.h"
#include "treble/reranker.h"
#include "treble/sentence_encoder.h"
#include "treble/similarity.h"
#include "treble/state_control.h"

namespace treble {

/// What a sweep is judged on.
struct SweepData {
  std::string name;  ///< for the report and for messages, such as the path it was read from
  std::variant<RetrievalData, PairData, LabelData> data;  ///< the task
  bool labelled = true;                                   ///< false for a proxy without labels
};

/// A BEIR folder or one of labelled texts, or a JSONL file of pairs, of rankings or of labelled texts
/// (treble/evaluation.h); `split` matters to folders alone.
/// `group_field` as for read_beir. Throws what reading them throws.
TREBLE_API SweepData read_sweep_data(const std::filesystem::path& path, const std::string& split = "test",
                                     const std::string& group_field = {});

/// A proxy where there are no labels: the first half of each text should find its second half. Texts of fewer than 30
/// words are left out.
TREBLE_API SweepData unlabelled_sweep_data(std::string name, const std::vector<std::string>& texts);

/// What a person should know about labelled data before relying on its numbers, one sentence each: repeated judgements,
/// judged documents that the corpus lacks, queries without a relevant document, ids that queries and documents share,
/// items that hang together, and too few of them. The notes of a SweepReport.
TREBLE_API std::vector<std::string> data_notes(const SweepData& data, bool ignore_identical_ids);

/// What else is done against vectors that crowd together: a fitted step after the untouched model, or texts in pieces.
using SweepBaseline = std::variant<PostSpec, ChunkOptions>;
/// "centring", "whitening:64", …, "chunk-mean:128". Throws Error{invalid_argument}.
TREBLE_API SweepBaseline parse_sweep_baseline(std::string_view text);

/// Those that are tried unless others are given.
TREBLE_API std::vector<Temperature> default_sweep_temperatures();
/// Those of state-space models; other models have no state, and these no temperature.
TREBLE_API std::vector<StateControl> default_sweep_states();
TREBLE_API std::vector<SweepBaseline> default_sweep_baselines();

/// The model in another form, such as another compute type or more positions. One with a position extension reads as
/// much as it was loaded for: EncodeOptions::max_length and SweepOptions::max_lengths are for the others.
struct SweepVariant {
  std::string name;                          ///< not empty
  const SentenceEncoder* encoder = nullptr;  ///< never null; must outlive the call
};

/// One way to encode.
struct SweepSetting {
  Temperature temperature = {};             ///< of attention
  StateControl state = {};                  ///< of state-space models
  std::optional<PostSpec> post = {};        ///< a fitted step after the model
  std::optional<ChunkOptions> chunks = {};  ///< texts in pieces
  /// Tokens that a text may have; unset: as EncodeOptions or the model say.
  std::optional<std::int64_t> max_length = {};
  std::string variant = {};  ///< name of a SweepVariant; empty: the encoder of the sweep itself
  /// Of a model whose layers have a state and no attention.
  bool of_state_layers = false;

  /// Joins what differs from the untouched model: "0.8 + bfloat16". The untouched model is "1", where it has states
  /// "none".
  TREBLE_API std::string name() const;
};

/// What is put before some texts: a prompt of the model by name ("": none), or a literal text. Neither: as
/// EncodeOptions say.
struct SweepPrompt {
  std::optional<std::string> name = {};  ///< of a prompt of the model
  std::optional<std::string> text = {};  ///< a literal prompt
};

/// How much of some texts a setting reads. Tokens are those that the texts have, prompts and special tokens included.
struct SweepReading {
  std::int64_t texts = 0;   ///< all of them
  std::int64_t cut = 0;     ///< those of which something is never read
  std::int64_t tokens = 0;  ///< of all texts
  std::int64_t read = 0;    ///< by the setting

  /// The share of the tokens that is never read; 0 without tokens.
  double unread() const noexcept {
    return tokens == 0 ? 0 : static_cast<double>(tokens - read) / static_cast<double>(tokens);
  }
};

/// Which texts the temperature and the control of the state act on; the others are as the model was trained.
enum class SweepSide { both, query, document };
/// "both", "query", "document".
TREBLE_API std::string to_string(SweepSide side);

/// What is tried and how it is judged.
struct SweepOptions {
  /// Everything about encoding but the temperature and the control of the state, which are ignored.
  EncodeOptions encode = {};
  /// Each is tried with every form of the model; 1, the untouched model, is always there. Unset: the default ones, or
  /// none for models without attention.
  std::optional<std::vector<Temperature>> temperatures = {};
  /// Controls of the state, tried as temperatures are. Unset: the default ones, or none for models without a state.
  std::optional<std::vector<StateControl>> states = {};
  /// Fitted steps are tried after the untouched model; fitted without labels, on other texts than those judged. Texts
  /// in pieces are tried at every temperature and length and with every form of the model that makes a difference:
  /// pieces of N tokens are the same whatever longer text the model could read. Unset: the default ones, without those
  /// that the texts are too few to fit (SweepReport::skipped).
  std::optional<std::vector<SweepBaseline>> baselines = {};
  /// Other limits in tokens to try at every temperature, shorter or longer; no longer than the model was loaded for
  /// (EncodeOptions::max_length then says what the untouched model reads).
  std::vector<std::int64_t> max_lengths = {};
  std::vector<SweepVariant> variants = {};  ///< other forms of the model to try
  SweepSide side = SweepSide::both;         ///< which texts the temperature or the control of the state acts on
  SweepPrompt query_prompt = {};            ///< put before queries
  SweepPrompt document_prompt = {};         ///< put before documents
  /// Unset: ModelInfo::similarity. Not of models that are compared by MaxSim.
  std::optional<Similarity> similarity = {};
  /// Texts of each label that a classifier is trained on, in each of 10 experiments; as mteb 8.
  std::int64_t samples_per_label = 8;
  /// A document with the id of a query is in no ranking of it (ArguAna, Quora: queries out of the corpus).
  bool ignore_identical_ids = false;
  /// Folds, deals, resamples, seed. Without groups, those of the data count: by the field that it was read with, else
  /// by the most relevant document of queries; and exact duplicates.
  HeldOutOptions held_out = {};
  /// Upper edges of the length buckets in tokens, as many as texts have whatever is read of them; the last bucket is
  /// open.
  std::vector<std::int64_t> bucket_edges = {32, 64, 128, 256, 512, 2048, 8192};
  /// How many documents of each query SweepReport::rankings has; 0: no rankings. Queries and documents then need ids
  /// that a TREC run can hold: not empty, without white space.
  std::int64_t run_depth = 0;
  /// A folder for vectors, made where it is missing, so that a rerun resumes where a run stopped. Any number of
  /// processes may share it. Empty: nothing is kept.
  std::filesystem::path cache = {};
  /// Stages "encoding" (steps: texts, each once for each setting that encodes it) and "judging" (total unknown).
  ProgressCallback progress = {};
  /// Heard after every 128 texts and between resamples; ends the sweep with Error{interrupted}.
  std::stop_token stop = {};
};

/// Items by the tokens that what is to be found has, or the longer text of a pair.
struct SweepBucket {
  std::int64_t min_tokens = 0;  ///< inclusive
  std::int64_t max_tokens = 0;  ///< inclusive
  std::size_t items = 0;        ///< queries or pairs
  /// [setting]. Without intervals when there are fewer than 10 items; empty where the metric is not defined, its labels
  /// being all equal.
  std::vector<SettingGain> settings;
};

/// What the settings of a sweep, in the order of SweepReport, would be; those that are skipped among them. Throws
/// Error{invalid_argument} for lengths that the model was not loaded for, and for pieces longer than any form reads;
/// Error{unsupported} for temperatures where there is no attention, and for controls of a state where there is none.
TREBLE_API std::vector<SweepSetting> sweep_settings(const SentenceEncoder& encoder, const SweepOptions& options);
/// The same of a sweep by a cross-encoder.
TREBLE_API std::vector<SweepSetting> sweep_settings(const Reranker& reranker, const SweepOptions& options);

/// One way in which settings differ from the untouched model, and what it is worth on held-out data.
struct SweepAxis {
  std::string name;          ///< "temperature", "state", "post" (pieces and fitted steps), "max-length" or "model form"
  std::size_t settings = 0;  ///< that differ from the untouched model in nothing else
  HeldOutGain alone;         ///< of the best of these, or the untouched model, over the untouched model
  HeldOutGain added;         ///< of the best of all settings over the best of those without it
};

/// What is judged: a query or a pair.
struct SweepItem {
  std::string id;           ///< of the query; of a pair its place in the data, from 0
  std::int64_t tokens = 0;  ///< as in the length buckets; −1 when what is to be found is not there
};

/// A document that a query found.
struct RankedDocument {
  std::int64_t document = 0;  ///< index into SweepReport::document_ids
  float score = 0;            ///< its similarity; distances negated
};

/// What a sweep found.
struct SweepReport {
  std::string model;  ///< its name
  /// How the untouched model's vectors were made: a JSON object as of provenance_json (treble/provenance.h).
  std::string provenance;
  std::vector<std::pair<std::string, std::string>> variant_provenance;  ///< (name, JSON object) of other forms
  std::string data;                                                     ///< SweepData::name
  std::string metric;                                                   ///< "nDCG@10", "MAP", "Spearman", …
  /// Judged by a cross-encoder's scores. `similarity` and `document_prompt` then mean nothing, lengths are those of a
  /// query and a document together, and documents_read is of such pairs.
  bool reranker = false;
  SweepSide side = SweepSide::both;            ///< as asked
  Similarity similarity = Similarity::cosine;  ///< as used; not with max_sim
  bool max_sim = false;  ///< texts are compared by MaxSim (treble/multi_vector.h), of a model without a dense output
  SweepPrompt query_prompt;           ///< as used: the text always, the name where it has one
  SweepPrompt document_prompt;        ///< as used
  bool ignore_identical_ids = false;  ///< as asked
  bool labelled = true;               ///< as SweepData::labelled
  std::int64_t queries_left_out = 0;  ///< without a relevant document, and so in no average
  /// Queries whose relevant documents the corpus lacks: 0 in every metric, as with trec_eval, and in no bucket.
  std::int64_t queries_without_document = 0;
  std::vector<std::string> notes;            ///< data_notes
  std::size_t items = 0;                     ///< queries or pairs
  int resamples = 0;                         ///< as asked
  std::uint64_t seed = 0;                    ///< as asked
  std::vector<SweepSetting> settings;        ///< the first is the untouched model
  std::vector<std::string> skipped;          ///< settings that could not be tried, and why
  std::vector<SweepReading> documents_read;  ///< [setting]; of pairs, of all texts
  std::vector<SweepReading> queries_read;    ///< [setting]; empty for pairs
  /// What to do about what is never read, a sentence each; empty where that is little.
  std::vector<std::string> advice;
  HeldOutResult held_out;  ///< gains of all settings, and of the choice on held-out folds
  /// Where settings differ in several ways. The intervals hold for all of them at once.
  std::vector<SweepAxis> axes;
  std::size_t winner = 0;  ///< the setting chosen most often
  /// [setting]: items on which it is better and worse than the untouched model; empty where the metric is not one of
  /// single items (pairs).
  std::vector<std::pair<std::size_t, std::size_t>> better_and_worse;
  /// Of `treble embed` for the winner: "--temperature 0.8 --max-length 512"; empty: the untouched model. A fitted step
  /// is "--post FILE", which `treble fit` writes.
  std::string embed_arguments;
  /// What to run, in full: of the winner where it helps, else of the untouched model.
  std::vector<std::string> commands;
  std::vector<SweepBucket> buckets;  ///< by length, shortest first
  std::vector<SweepItem> each;       ///< [item]
  /// [setting][item]: the metric of the query alone; of a pair, how similar its texts are.
  std::vector<std::vector<double>> scores;
  /// [setting][query]: best first, SweepOptions::run_depth at most. Empty where that is 0.
  std::vector<std::vector<std::vector<RankedDocument>>> rankings;
  std::vector<std::string> document_ids;  ///< that rankings refer to; empty without them
  /// [setting]: other measures over all items, by name.
  std::vector<std::vector<std::pair<std::string, double>>> other_metrics;
  /// [setting]: share of the first ten places that the untouched model fills in the same way, over all items and over
  /// those of up to 64 tokens; nothing for pairs.
  std::vector<std::optional<double>> overlap;
  std::vector<std::optional<double>> short_overlap;  ///< the same over items of up to 64 tokens
  std::string verdict;                               ///< a few sentences for people
};

/// Encodes the data under every setting, then judges. Deterministic for a seed. Memory holds the texts and, of one
/// setting at a time, their vectors. Throws Error{invalid_argument} for options that do not fit each other or the data,
/// and when the metric is not defined on some fold; Error{invalid_file} when under some setting all scores are equal;
/// Error{interrupted}; what SentenceEncoder::encode throws.
TREBLE_API SweepReport sweep(const SentenceEncoder& encoder, SweepData data, const SweepOptions& options = {});

/// The same of a cross-encoder, which ranks the candidates of each query (RetrievalData::candidates): those of
/// read_reranking, or what a first ranking found (read_candidates). Temperatures and limits of tokens are tried;
/// baselines, states, variants, sides, similarity, a prompt for documents and the cache are for vectors and must be
/// left alone. SweepReport::buckets are by the tokens of a query with its longest relevant candidate. Throws
/// Error{unsupported} for a model of several scores a pair; Error{invalid_argument} for data without candidates and for
/// options that are for vectors; what Reranker::score throws; else as above.
TREBLE_API SweepReport sweep(const Reranker& reranker, SweepData data, const SweepOptions& options = {});

/// A machine-readable form ("kind": "sweep"); docs/sweep.md lists the keys.
TREBLE_API std::string to_json(const SweepReport& report);

/// JSON, an object a line and item: {"id", "tokens", "scores": {name of a setting: score}}, as of SweepReport::scores.
TREBLE_API std::string scores_jsonl(const SweepReport& report);

/// A setting's name without white space: "0.8+chunk-mean:256".
TREBLE_API std::string run_tag(const SweepSetting& setting);

/// The rankings of a setting as a TREC run, which trec_eval, ranx and ir-measures read: a line a document, "query Q0
/// document rank score tag", ranks from 1. Scores have all digits. Throws Error{invalid_argument} for a report without
/// rankings, or without such a setting.
TREBLE_API std::string trec_run(const SweepReport& report, std::size_t setting);

/// One self-contained page for people: report_page(to_json(report)), see treble/report_page.h.
TREBLE_API std::string to_html(const SweepReport& report);

/// Tables for a terminal: a line a setting, then by length.
TREBLE_API std::string to_table(const SweepReport& report);

}  // namespace treble
