#include "treble/sweep.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/fail.h"
#include "sweep/item_groups.h"
#include "sweep/judge.h"
#include "sweep/reading_advice.h"
#include "sweep/run_ids.h"
#include "sweep/settings.h"
#include "sweep/sweep_task.h"
#include "sweep/what_to_run.h"
#include "treble/provenance.h"

namespace treble {

using namespace internal;

namespace {

bool is_set(const SweepPrompt& prompt) { return prompt.name || prompt.text; }

/// What is put before texts: `prompt`, else what the options of the run or the model say; a model without a dense
/// output has prompts of its own for each `role`.
SweepPrompt prompt_in_force(const SweepPrompt& prompt, const ModelInfo& model, const EncodeOptions& options,
                            const char* role) {
  const bool own = is_set(prompt);
  if (const auto& text = own ? prompt.text : options.prompt; text) return {.name = {}, .text = text};
  const std::string standard = ranked_output(model) == OutputKind::dense ? model.default_prompt_name : role;
  const std::string name = (own ? prompt.name : options.prompt_name).value_or(standard);
  const auto found = model.prompts.find(name);
  if (found == model.prompts.end()) return {.name = {}, .text = ""};
  return {.name = name, .text = found->second};
}

/// Options that the data gives no meaning to.
void check_options(const SweepData& data, const SweepOptions& options) {
  if (options.samples_per_label < 1) {
    fail(ErrorCode::invalid_argument, "SweepOptions::samples_per_label must be at least 1, got {}",
         options.samples_per_label);
  }
  if (options.run_depth < 0) {
    fail(ErrorCode::invalid_argument, "SweepOptions::run_depth must be at least 0, got {}", options.run_depth);
  }
  if (options.run_depth > 0) check_run_ids(data);
  const auto* retrieval = std::get_if<RetrievalData>(&data.data);
  if (options.ignore_identical_ids && (retrieval == nullptr || retrieval->same_id.empty())) {
    fail(ErrorCode::invalid_argument,
         "SweepOptions::ignore_identical_ids: {} has no ids of queries and documents; it is for BEIR folders",
         data.name);
  }
  if (retrieval != nullptr) return;
  const char* what = std::holds_alternative<PairData>(data.data) ? "pairs" : "labelled texts";
  if (options.side != SweepSide::both) {
    fail(ErrorCode::invalid_argument, "SweepOptions::side {}: {} have no queries and documents; leave it out",
         to_string(options.side), what);
  }
  if (is_set(options.query_prompt) || is_set(options.document_prompt)) {
    fail(ErrorCode::invalid_argument,
         "{} holds {}, which have no queries and documents; use EncodeOptions::prompt or EncodeOptions::prompt_name "
         "for all texts",
         data.name, what);
  }
}

/// What is about vectors alone.
void check_reranking(const Reranker& reranker, const SweepOptions& options) {
  if (reranker.labels().size() != 1) {
    fail(ErrorCode::unsupported, "{} has {} scores a pair, which give no order; a sweep takes a reranker of one score",
         reranker.info().name, reranker.labels().size());
  }
  const char* what = options.baselines && !options.baselines->empty() ? "baselines"
                     : options.states && !options.states->empty()     ? "states"
                     : !options.variants.empty()                      ? "variants"
                     : options.side != SweepSide::both                ? "side"
                     : options.similarity                             ? "similarity"
                     : is_set(options.document_prompt)                ? "document_prompt"
                     : !options.cache.empty()                         ? "cache"
                                                                      : nullptr;
  if (what == nullptr) return;
  fail(ErrorCode::invalid_argument,
       "SweepOptions::{} is for models that give vectors; {} is a reranker, leave it as it is by default", what,
       reranker.info().name);
}

SweepOptions of_scores(SweepOptions options) {
  options.baselines.emplace();
  return options;
}

/// With the prompt that queries get as that of pairs.
EncodeOptions pair_options(const SweepOptions& options) {
  EncodeOptions encode = options.encode;
  if (is_set(options.query_prompt)) {
    encode.prompt = options.query_prompt.text;
    encode.prompt_name = options.query_prompt.name;
  }
  return encode;
}

void check_candidates(const SweepData& data) {
  const auto* retrieval = std::get_if<RetrievalData>(&data.data);
  if (retrieval != nullptr && !retrieval->candidates.empty()) return;
  fail(ErrorCode::invalid_argument,
       "{}: a reranker orders candidates, and there are none; give rankings ({{\"query\", \"positive\", \"negative\"}} "
       "a line), or a BEIR folder and a run of a first ranking (read_candidates)",
       data.name);
}

SweepOptions with_groups(SweepOptions options, const SweepData& data) {
  if (options.held_out.groups.empty()) options.held_out.groups = item_groups(data).groups;
  return options;
}

/// One sweep, from the data to the report.
class Sweep {
 public:
  /// `reranker`: what `encoder` is the encoder of; nullptr: it gives vectors.
  Sweep(const SentenceEncoder& encoder, SweepData data, const SweepOptions& options,
        const Reranker* reranker = nullptr);

  SweepReport run();

 private:
  void describe(const SweepData& data);
  void check_other_output(const SweepData& data, OutputKind output) const;
  std::unique_ptr<SweepTask> make_task(SweepData data);
  /// Tries every setting; default baselines that these texts cannot be fitted with are skipped.
  void try_settings();
  void on_batch(std::size_t texts, bool encoded);
  void report_progress(const Progress& progress) const;
  void check_stop() const;

  const SentenceEncoder& encoder_;
  const Reranker* reranker_;
  SweepOptions options_;  ///< with the groups of the data
  std::vector<SweepSetting> settings_;
  CachedEncoder cached_;
  SweepReport report_;
  std::unique_ptr<SweepTask> task_;
  std::int64_t done_ = 0;     ///< texts, encoded or not
  std::int64_t encoded_ = 0;  ///< of these, those whose vectors had to be made or read from the cache
  std::int64_t to_encode_ = 1;
};

Sweep::Sweep(const SentenceEncoder& encoder, SweepData data, const SweepOptions& options, const Reranker* reranker)
    : encoder_(encoder),
      reranker_(reranker),
      options_(with_groups(options, data)),
      settings_(sweep_settings(encoder, options)),
      cached_(encoder, options_, [this](std::size_t texts, bool encoded) { on_batch(texts, encoded); }) {
  check_options(data, options);
  describe(data);
  task_ = make_task(std::move(data));
}

void Sweep::describe(const SweepData& data) {
  const ModelInfo& model = encoder_.info();
  report_.model = model.name;
  const OutputKind output = ranked_output(model);
  report_.max_sim = output == OutputKind::multi_vector;
  const auto provenance_of = [&](const SentenceEncoder& encoder, const EncodeOptions& encode) {
    if (output == OutputKind::dense) return provenance_json(encoder, encode);
    return provenance_json(encoder, output, {.encode = encode, .role = TextRole::document});
  };
  report_.reranker = reranker_ != nullptr;
  report_.provenance = reranker_ != nullptr ? provenance_json(*reranker_, {.encode = pair_options(options_)})
                                            : provenance_of(encoder_, options_.encode);
  for (const SweepVariant& variant : options_.variants) {
    const bool extended = extends(variant.encoder->info(), model);
    const EncodeOptions form = encode_options({.variant = variant.name}, extended, options_.encode);
    report_.variant_provenance.emplace_back(variant.name, provenance_of(*variant.encoder, form));
  }
  report_.data = data.name;
  report_.labelled = data.labelled;
  report_.side = options_.side;
  report_.similarity = options_.similarity ? *options_.similarity : model.similarity;
  if (output == OutputKind::sparse) report_.similarity = Similarity::dot;
  report_.query_prompt = prompt_in_force(options_.query_prompt, model, options_.encode, "query");
  report_.document_prompt = prompt_in_force(options_.document_prompt, model, options_.encode, "document");
  report_.ignore_identical_ids = options_.ignore_identical_ids;
  report_.notes = data_notes(data, options_.ignore_identical_ids);
  if (const auto* retrieval = std::get_if<RetrievalData>(&data.data)) {
    report_.queries_left_out = retrieval->counts.queries_left_out;
    report_.queries_without_document = count_without_document(*retrieval);
  }
}

/// What is of dense vectors, of a model that has none.
void Sweep::check_other_output(const SweepData& data, OutputKind output) const {
  const std::string& model = encoder_.info().name;
  const std::string kind = to_string(output);
  if (!std::holds_alternative<RetrievalData>(data.data)) {
    fail(ErrorCode::unsupported,
         "{} holds {}: {} gives {} vectors, which are judged on rankings; give queries and documents", data.name,
         std::holds_alternative<PairData>(data.data) ? "pairs" : "labelled texts", model, kind);
  }
  if (options_.similarity) {
    fail(ErrorCode::invalid_argument,
         "SweepOptions::similarity {}: {} gives {} vectors, which are compared by {}; leave it out",
         to_string(*options_.similarity), model, kind, output == OutputKind::sparse ? "their dot product" : "MaxSim");
  }
  if (!options_.cache.empty()) {
    fail(ErrorCode::unsupported, "SweepOptions::cache keeps dense vectors, {} gives {} ones; leave it out", model,
         kind);
  }
  if (options_.side == SweepSide::query && cached_.reads_queries_by_table()) {
    fail(ErrorCode::unsupported,
         "SweepOptions::side query: {} reads queries by a table of weights, without attention; temperatures act on its "
         "documents alone",
         model);
  }
}

std::unique_ptr<SweepTask> Sweep::make_task(SweepData data) {
  const OutputKind output = ranked_output(encoder_.info());
  if (output != OutputKind::dense) check_other_output(data, output);
  SweepTaskOptions task = {.data = data.name,
                           .side = options_.side,
                           .query_prompt = options_.query_prompt,
                           .document_prompt = options_.document_prompt,
                           .similarity = report_.similarity,
                           .folds = options_.held_out,
                           .run_depth = options_.run_depth,
                           .samples_per_label = static_cast<std::size_t>(options_.samples_per_label)};
  if (auto* pairs = std::get_if<PairData>(&data.data)) return make_pair_task(std::move(*pairs), cached_, task);
  if (auto* labels = std::get_if<LabelData>(&data.data)) {
    return labels->train.empty() ? make_clustering_task(std::move(*labels), cached_, task)
                                 : make_classification_task(std::move(*labels), cached_, task);
  }
  auto& retrieval = std::get<RetrievalData>(data.data);
  if (!options_.ignore_identical_ids) retrieval.same_id.clear();
  if (reranker_ != nullptr) {
    return make_rerank_task(
        std::move(retrieval), *reranker_,
        {std::move(task), pair_options(options_), [this](std::size_t pairs, bool scored) { on_batch(pairs, scored); }});
  }
  if (output == OutputKind::multi_vector) return make_late_retrieval_task(std::move(retrieval), cached_, task);
  if (output == OutputKind::sparse) return make_sparse_retrieval_task(std::move(retrieval), cached_, task);
  return make_retrieval_task(std::move(retrieval), cached_, task);
}

void Sweep::report_progress(const Progress& progress) const {
  if (options_.progress) options_.progress(progress);
}

void Sweep::on_batch(std::size_t texts, bool encoded) {
  done_ += static_cast<std::int64_t>(texts);
  if (encoded) encoded_ += static_cast<std::int64_t>(texts);
  report_progress({.stage = "encoding", .done = std::min(done_, to_encode_), .total = to_encode_});
  check_stop();
}

void Sweep::check_stop() const {
  if (!options_.stop.stop_requested()) return;
  if (options_.cache.empty()) {
    fail(ErrorCode::interrupted, "stopped, and nothing is kept; with SweepOptions::cache the same sweep would resume");
  }
  fail(ErrorCode::interrupted,
       "stopped with {} of {} settings encoded: {} vectors are kept in {}, and the same sweep resumes from there",
       report_.settings.size(), settings_.size(), encoded_, options_.cache.string());
}

void Sweep::try_settings() {
  const auto encoding = std::count_if(settings_.begin(), settings_.end(), [](const auto& s) { return !s.post; });
  to_encode_ = std::max<std::int64_t>(1, static_cast<std::int64_t>(task_->texts()) * encoding);
  report_progress({.stage = "encoding", .done = 0, .total = to_encode_});
  for (const SweepSetting& setting : settings_) {
    try {
      task_->add(setting);
      report_.settings.push_back(setting);
    } catch (const Error& error) {
      // A step that these texts cannot be fitted with is no reason to lose the rest, unless it was asked for.
      if (error.code() == ErrorCode::interrupted || !setting.post || options_.baselines) throw;
      report_.skipped.push_back(setting.name() + ": " + error.what());
    }
    check_stop();
  }
}

SweepReport Sweep::run() {
  // Before the long work: what cannot be judged need not be encoded.
  try {
    split_folds(task_->items(), options_.held_out);
  } catch (const Error& error) {
    fail(error.code(), "{}: {}", report_.data, error.what());
  }
  try_settings();
  report_progress({.stage = "judging"});
  try {
    judge_task(*task_, options_, [this] { check_stop(); }, report_);
    report_.advice = reading_advice(report_, encoder_, options_);
    task_->give_rankings(report_);
    describe_use(encoder_, options_, report_);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::invalid_argument) throw;
    fail(error.code(), "{}: {}", report_.data, error.what());
  }
  return std::move(report_);
}

}  // namespace

std::vector<SweepSetting> sweep_settings(const Reranker& reranker, const SweepOptions& options) {
  check_reranking(reranker, options);
  return sweep_settings(reranker.encoder(), of_scores(options));
}

SweepReport sweep(const Reranker& reranker, SweepData data, const SweepOptions& options) {
  check_reranking(reranker, options);
  check_candidates(data);
  return Sweep(reranker.encoder(), std::move(data), of_scores(options), &reranker).run();
}

SweepReport sweep(const SentenceEncoder& encoder, SweepData data, const SweepOptions& options) {
  return Sweep(encoder, std::move(data), options).run();
}

}  // namespace treble
