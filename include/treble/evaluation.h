// Does a change help? Labelled data sets, the metrics of rankings and of graded similarity as mteb computes them, and a
// judgement on held-out parts of the data, with bootstrap intervals.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "treble/export.h"

namespace treble {

/// The relevance judgements (qrels) of one query: (document, grade > 0). A document is an index into the corpus; −1 is
/// one that the corpus lacks. No ranking finds it, and it counts among the relevant ones all the same (in recall,
/// average precision and the ideal ranking), as with trec_eval.
using Judgements = std::vector<std::pair<std::int64_t, double>>;

/// What was noticed while judgements were read, for whoever relies on them.
struct JudgementCounts {
  std::int64_t repeated = 0;           ///< judgements of a query and document that were judged before
  std::int64_t missing_relevant = 0;   ///< relevant documents (of one query each) that the corpus lacks
  std::int64_t missing_documents = 0;  ///< judged documents that the corpus lacks, of whatever grade
  std::string first_missing;           ///< the id of the first of them
  /// Judged queries without a relevant document, which are left out; when reranking, lines without a positive or a
  /// negative.
  std::int64_t queries_left_out = 0;
  std::int64_t shared_ids = 0;  ///< queries with the id of a document
  /// Queries that have no candidate in a first ranking, and those of which no candidate is relevant.
  std::int64_t without_candidates = 0, without_relevant_candidate = 0;
  std::int64_t shared_texts = 0;  ///< those of them whose document ends in the query's text
};

/// Queries that should find documents.
struct RetrievalData {
  std::vector<std::string> document_ids;  ///< as in the file
  std::vector<std::string> documents;     ///< "title text", as BEIR joins them
  std::vector<std::string> query_ids;     ///< only those with a relevant document
  std::vector<std::string> queries;       ///< their texts
  std::vector<Judgements> relevant;       ///< [query]: at least one each, grades as in the file
  /// [query]: the only documents that it is compared with (reranking); empty: all queries with all documents.
  std::vector<std::vector<std::int64_t>> candidates;
  /// Candidates are what a first ranking found (read_candidates): judged by nDCG@10, as runs are, rather than by MAP.
  bool first_stage = false;
  /// [query]: the document with the query's own id, −1 for none; empty where ids are not given.
  std::vector<std::int64_t> same_id;
  /// [query]: what the field asked for says; empty where none was asked for.
  std::vector<std::string> groups = {};
  JudgementCounts counts;  ///< what was noticed
};

/// Pairs of texts with a number: graded similarity, or 0 and 1.
struct PairData {
  std::vector<std::string> first;        ///< [pair]
  std::vector<std::string> second;       ///< [pair]
  std::vector<double> scores;            ///< [pair]
  std::vector<std::string> groups = {};  ///< [pair]: what the field asked for says; empty where none was asked for
};

/// Texts of classes. With training texts they are to be classified, without to be clustered.
struct LabelData {
  std::vector<std::string> names;          ///< of the classes, as in the file; sorted
  std::vector<std::string> train;          ///< texts to train with; empty for clustering
  std::vector<std::int64_t> train_labels;  ///< [text]: index into `names`
  std::vector<std::string> texts;          ///< that are judged
  std::vector<std::int64_t> labels;        ///< [text]: index into `names`
  std::vector<std::string> groups = {};    ///< [text]: as of PairData
};

/// A BEIR folder: corpus.jsonl and queries.jsonl ({"_id", "title", "text"}) and judgements in qrels/<split>.tsv, .txt
/// or .qrels: BEIR's three columns with tabs between them (query-id, corpus-id, score; with or without a heading line)
/// or TREC's four with any white space between them (query, iteration, document, grade). Each may be compressed (.gz,
/// .zst). Ids are compared as texts. Of several grades for a query and document the last one counts. Judged documents
/// that the corpus lacks stay among the relevant ones, as −1; queries without a relevant document are counted and left
/// out. Throws Error{not_found, io} for files, Error{invalid_file} naming file and line: for judged queries that
/// queries.jsonl lacks, for ids that appear twice in one file, and where nothing relevant is in the corpus.
///
/// `group_field` names a field of queries.jsonl (text or number) by which queries hang together; empty: none. A query
/// without it is an Error{invalid_file}; so in the other readers.
TREBLE_API RetrievalData read_beir(const std::filesystem::path& folder, const std::string& split = "test",
                                   const std::string& group_field = {});

/// Gives each query of `data` the first `depth` documents that a first ranking found for it, to be ranked anew: a TREC
/// run, compressed or not ("query Q0 document rank score tag", with any white space between), as trec_eval and
/// ir-measures read it: by score, whatever the ranks say, among equal scores the greater id first. Queries that are not
/// in `data` are passed over; one that the run lacks has no candidates, and 0 in every metric. Throws Error{not_found,
/// io}; Error{invalid_argument} for a depth below 1; Error{invalid_file} naming file and line for what is no run, for a
/// document that the corpus lacks or that a query has twice, and where no query has a candidate.
TREBLE_API void read_candidates(RetrievalData& data, const std::filesystem::path& run, std::int64_t depth = 100);

/// JSONL, compressed or not: {"sentence1", "sentence2", "score"}; "label" may take the place of "score". Throws
/// Error{not_found, io}, and Error{invalid_file} naming file and line, or the one score that all of several pairs have.
TREBLE_API PairData read_pairs(const std::filesystem::path& path, const std::string& group_field = {});

/// JSONL, compressed or not: {"query", "positive": [texts], "negative": [texts]}, as mteb's reranking tasks keep them.
/// Lines without a positive or a negative are counted and left out, as there is nothing to order; a text in both lists
/// is a positive. Throws as read_pairs does.
TREBLE_API RetrievalData read_reranking(const std::filesystem::path& path, const std::string& group_field = {});

/// Whether the first line of a JSONL file is one of reranking. Throws as read_pairs does.
TREBLE_API bool is_reranking(const std::filesystem::path& path);

/// JSONL, compressed or not: {"text", "label"} a line, as mteb's data sets keep classes ("sentences" and "labels", each
/// one text and one label, may take their place); labels are texts or whole numbers. A file is to be clustered; a
/// folder with train.jsonl and <split>.jsonl is to be classified, and one with clustering.jsonl clustered. Throws as
/// read_pairs does, and Error{invalid_file} naming the label where all texts have one, or where no training text has
/// one.
TREBLE_API LabelData read_labels(const std::filesystem::path& path, const std::string& split = "test",
                                 const std::string& group_field = {});

/// Whether read_labels is for `path`, by the files of a folder or the first line of a file. Throws as read_pairs does.
TREBLE_API bool is_labelled(const std::filesystem::path& path);

/// A retrieval task out of texts without labels: the first half of each text is the query that should find the second
/// half. Halves are cut between words; texts of fewer than `min_words` words are left out.
TREBLE_API RetrievalData retrieval_from_halves(const std::vector<std::string>& texts, std::size_t min_words);

/// The k documents of highest score, as trec_eval ranks them: among equal scores the greater id (as text) comes first.
TREBLE_API std::vector<std::int64_t> rank_documents(std::span<const float> scores, std::span<const std::string> ids,
                                                    std::int64_t k);

/// Of one query's ranking, cut at k. Queries without a relevant document give 0.
struct RankingMetrics {
  double ndcg = 0;               ///< gain: the grade; discount log2(rank + 1) (trec_eval's ndcg_cut)
  double recall = 0;             ///< recall_cut
  double average_precision = 0;  ///< map_cut
  double reciprocal_rank = 0;    ///< of the first relevant document; 0 where none is ranked
};
TREBLE_API RankingMetrics ranking_metrics(std::span<const std::int64_t> ranking, const Judgements& relevant,
                                          std::int64_t k);

/// Spearman's rank correlation, ties at their mean rank (scipy.stats.spearmanr). Nothing where one side is constant.
TREBLE_API std::optional<double> spearman(std::span<const double> a, std::span<const double> b);

/// Area under the precision-recall steps (sklearn.metrics.average_precision_score); labels > 0.5 are positive. Nothing
/// without positives.
TREBLE_API std::optional<double> average_precision(std::span<const double> scores, std::span<const double> labels);

/// The metric of a setting over items (queries, pairs); an item may appear several times. Nothing where the metric is
/// not defined, such as a correlation with a constant. Setting 0 is the baseline. May throw to stop.
using ItemMetric = std::function<std::optional<double>(std::size_t setting, std::span<const std::size_t> items)>;

/// A metric that is the mean of several runs, each with chance of its own beside the items: where k-means begins, which
/// texts are trained on. A setting is chosen on one half of the runs and judged on the other, halved anew in each deal,
/// so that a lucky run is no gain; each resample draws runs beside items, so that intervals count their chance.
struct MetricRuns {
  std::size_t count = 0;  ///< at least 2; 0: the metric hangs on its items alone
  /// True when a run has its chance in common under all settings (they train on the same texts); false when each
  /// setting's runs have their own.
  bool shared = false;
  /// As ItemMetric, the mean over `runs` (places below `count`, repeated as often as they are drawn).
  std::function<std::optional<double>(std::size_t setting, std::span<const std::size_t> items,
                                      std::span<const std::size_t> runs)>
      metric = {};
};

/// How a judgement is made.
struct HeldOutOptions {
  /// Parts of a deal, at least 2; 0 chooses: 5, or as many as leave two units (items, or groups of them) in each.
  int folds = 0;
  /// How often the items are dealt into folds anew; what is chosen and gained is averaged over the deals, as it hangs
  /// on chance in each. At least 1.
  int deals = 20;
  /// Bootstrap resamples for the intervals; 0: values only.
  int resamples = 1000;
  std::uint64_t seed = 1;  ///< of deals and resamples
  /// [item]: items with the same number hang together (queries of one document, duplicates): they share a fold, and are
  /// resampled together. Empty: each stands alone.
  std::vector<std::size_t> groups = {};
  /// Of a metric that hangs on chance beside its items.
  MetricRuns runs = {};
};

/// [fold]: its items, in one of the deals. Throws Error{invalid_argument} when there are not two units a fold.
TREBLE_API std::vector<std::vector<std::size_t>> split_folds(std::size_t items, const HeldOutOptions& options,
                                                             int deal = 0);

/// A value with its 95 % interval. Without resamples, and where no resample differs from the value, low = value = high
/// but for rounding.
struct Interval {
  double value = 0;  ///< the estimate
  double low = 0;    ///< lower end
  double high = 0;   ///< upper end

  bool has_width() const noexcept { return high - low > 1e-12; }  ///< False where no resample differed.
};

/// A setting against the baseline.
struct SettingGain {
  double value = 0;  ///< of the metric
  Interval gain;     ///< over setting 0, whose own is zeros
};

/// [setting] over `items`, with intervals that hold for all settings at once: 95 % of a paired bootstrap's maximum
/// standardised deviation over the settings (Westfall & Young, 1993, max-T), shifted against skew (Johnson, JASA 73,
/// 1978). Resamples on which the metric is not defined are redrawn. Throws Error{invalid_argument} when it is not
/// defined on `items`, or on hardly any resample.
TREBLE_API std::vector<SettingGain> compare_settings(std::span<const std::size_t> items, std::size_t settings,
                                                     const ItemMetric& metric, const HeldOutOptions& options);

/// A question to be answered beside the main one, in the same folds: what is the best of some settings worth over the
/// best of others?
struct HeldOutContrast {
  std::vector<std::size_t> candidates;  ///< at least one; the first of equally good ones is chosen
  std::vector<std::size_t> against;     ///< at least one; {0}: the baseline
};

/// The answer: as HeldOutResult::gain.
struct HeldOutGain {
  std::vector<std::size_t> chosen;   ///< [deal * folds + fold]: of the candidates
  std::vector<std::size_t> against;  ///< [deal * folds + fold]: of the others
  Interval gain;                     ///< of the ones over the others, on the folds themselves
  double detectable = 0;             ///< as HeldOutResult::detectable
};

/// Choosing and judging on different folds.
struct HeldOutResult {
  int folds = 0;                      ///< of each deal
  int deals = 0;                      ///< as asked
  std::size_t units = 0;              ///< items, or groups of them, that were dealt and resampled
  std::vector<SettingGain> settings;  ///< on all items
  std::vector<std::size_t> chosen;    ///< [deal * folds + fold]: the setting that is best on the other folds
  /// Mean over deals and folds of the chosen setting's gain on the fold itself. Its 95 % interval is as wide as those
  /// of compare_settings, taken over the settings that chance could have made best (the best one in at least 1 % of the
  /// resamples, and those chosen): whichever of them were chosen, their mean deviates no further. Without width where
  /// the baseline is best on all folds.
  Interval gain;
  /// The smallest held-out gain whose interval would have been above 0: what `gain` and its lower end are apart, or
  /// where the baseline is best everywhere, would be for the least certain setting that chance could have made best.
  /// Without resamples 0.
  double detectable = 0;
  /// [contrast]. Their intervals hold for all of them at once, and not for `gain` beside them.
  std::vector<HeldOutGain> contrasts = {};
};

/// Chooses and judges on different folds (those of split_folds). Needs at least two units a fold, one setting, and
/// folds on which the metric is defined, for which it deals again; throws Error{invalid_argument} otherwise.
TREBLE_API HeldOutResult evaluate_held_out(std::size_t items, std::size_t settings, const ItemMetric& metric,
                                           const HeldOutOptions& options,
                                           const std::vector<HeldOutContrast>& contrasts = {});

enum class Benefit { none, helps, harms };

/// helps: the held-out interval is above 0; harms: it is below 0. An interval without width says neither.
TREBLE_API Benefit benefit_of(const HeldOutResult& result);

/// "none", "helps", "harms".
TREBLE_API std::string to_string(Benefit benefit);

}  // namespace treble
