#include "sweep_command.h"

#include <algorithm>
#include <deque>
#include <filesystem>
#include <optional>
#include <utility>

#include "command_line.h"
#include "fail.h"
#include "file_roles.h"
#include "flag_names.h"
#include "interrupt.h"
#include "progress.h"
#include "read_texts.h"
#include "run_files.h"
#include "standard_streams.h"

namespace treble::cli {

namespace {

constexpr const char* kSweepExamples =
    R"(DATA is a BEIR folder (corpus.jsonl, queries.jsonl, qrels/test.tsv; .gz and TREC's qrels too), a JSONL file of pairs
("sentence1", "sentence2" and "score" or "label"), of rankings ("query", "positive", "negative") or of texts with classes
("text", "label") to be clustered; a folder of such in train.jsonl and test.jsonl to be classified; or with --unlabelled any
texts that embed takes. A cross-encoder ranks candidates: a file of rankings, or a BEIR folder with --candidates, the TREC run
of a first ranking. The best setting is chosen on one part of the data and judged on the rest; "no benefit" is an answer.
docs/sweep.md says how.

Examples:
  export TREBLE_MODEL=models/all-MiniLM-L6-v2
  treble sweep scifact/
  treble sweep -t 0.9 -t log:128 --side document scifact/
  treble sweep -m models/ms-marco-MiniLM-L6-v2 --candidates bm25.trec scifact/
  treble sweep --unlabelled --html sweep.html corpus.jsonl)";

/// Percentiles of fewer resamples say little.
constexpr int kMinResamples = 100;
constexpr int kMaxResamples = 1'000'000;
constexpr int kMaxFolds = 1'000'000;
constexpr int kMaxDeals = 10'000;
constexpr int kMaxRunDepth = 1'000'000;

}  // namespace

void SweepCommand::add_to(CLI::App& app) {
  command_ = app.add_subcommand("sweep", "Try temperatures on your data: does one help, judged on held-out parts?");
  command_
      ->add_option("DATA", data_, "BEIR folder, JSONL of pairs, rankings or labelled texts, or texts with --unlabelled")
      ->required();
  add_data_options();
  add_prompt_options();
  add_judgement_options();
  model_.add_to(*command_);
  command_->get_option("--cache")->description(
      "Folder that keeps vectors, so that a rerun resumes, and what int8 makes of the weights [none]");
  encode_.add_to(*command_);
  command_->footer(kSweepExamples);
}

void SweepCommand::add_data_options() {
  const std::string group = "Data";
  command_->add_option("--split", split_, "Which qrels of a BEIR folder, or labelled texts to classify [test]")
      ->type_name("NAME")
      ->group(group);
  command_->add_flag("--unlabelled", unlabelled_, "A proxy: the first half of each text should find its second half")
      ->group(group);
  command_->add_option("--sample", sample_, "Maximum number of unlabelled texts [1000]")
      ->type_name("N")
      ->check(CLI::PositiveNumber.description(""))
      ->group(group);
  auto* candidates =
      command_
          ->add_option("--candidates", candidates_,
                       "TREC run of a first ranking: each query of a BEIR folder is compared with these documents only")
          ->type_name("RUN")
          ->group(group);
  command_->add_option("--candidate-depth", candidate_depth_, "Documents of each query that are taken from it [100]")
      ->type_name("N")
      ->check(CLI::Range(1, kMaxRunDepth).description(""))
      ->needs(candidates)
      ->group(group);
  command_
      ->add_flag("--ignore-identical-ids", options_.ignore_identical_ids,
                 "A document with the id of a query is in no ranking of it (ArguAna, Quora: queries out of the corpus)")
      ->group(group);
  command_
      ->add_option("--similarity", similarity_,
                   "How vectors are compared [as the model specifies, else cosine]; distances are negated")
      ->type_name("cosine|dot|euclidean|manhattan")
      ->check(CLI::IsMember({"cosine", "dot", "euclidean", "manhattan"}).description(""))
      ->group(group);
  command_
      ->add_option(
          "--group", group_field_,
          "Field of the queries or pairs by which they hang together, so that they are judged as a whole [their "
          "most relevant document]")
      ->type_name("FIELD")
      ->group(group);
  command_
      ->add_option("--samples-per-label", options_.samples_per_label,
                   "Training texts of each label, in each of ten experiments [8]")
      ->type_name("N")
      ->check(CLI::PositiveNumber.description(""))
      ->group(group);
}

void SweepCommand::add_prompt_options() {
  const std::string group = "Data";
  const auto add = [&](const std::string& side, const std::string& whose, SweepPrompt& prompt) {
    auto* name = command_->add_option("--" + side + "-prompt-name", prompt.name,
                                      "The model's prompt for " + whose + "; '' for none");
    name->type_name("NAME")->group(group);
    command_->add_option("--" + side + "-prompt", prompt.text, "Put this text before every one of the " + whose)
        ->type_name("TEXT")
        ->excludes(name)
        ->group(group);
  };
  add("query", "queries", options_.query_prompt);
  add("document", "documents", options_.document_prompt);
}

void SweepCommand::add_judgement_options() {
  const std::string group = "Sweep";
  command_
      ->add_option("-t,--temperature", temperatures_,
                   "One to try; may be repeated [0.95 0.9 0.85 0.8 0.7 0.6 log:64 log:128]; 1 is always there")
      ->type_name("T")
      ->take_all()
      ->allow_extra_args(false)
      ->group(group);
  command_
      ->add_option("--state", states_,
                   "Of Mamba-2 models, in place of temperatures: a control of the state to try; may be repeated "
                   "[rri:0.9999,0.75 window:512 window:2048]; none is always there")
      ->type_name("S")
      ->take_all()
      ->allow_extra_args(false)
      ->group(group);
  command_
      ->add_option(
          "--post", posts_,
          "Post-processing steps to try after the untouched model; chunk-mean[:N], chunk-max[:N] and late-chunk:N, "
          "texts in pieces, at every temperature; or none [centring whitening all-but-the-top "
          "length-direction]")
      ->type_name("NAME,…")
      ->take_all()
      ->allow_extra_args(false)
      ->delimiter(',')
      ->group(group);
  add_try_options(group);
  command_->add_option("--side", side_, "Whose texts it acts on [both]")
      ->type_name("both|query|document")
      ->check(one_of({"both", "query", "document"}))
      ->group(group);
  command_->add_option("--folds", options_.held_out.folds, "Parts, each judged by what is best on the others [5]")
      ->type_name("N")
      ->check(CLI::Range(2, kMaxFolds).description(""))
      ->group(group);
  command_->add_option("--deals", options_.held_out.deals, "How often the items are dealt into such parts anew [20]")
      ->type_name("N")
      ->check(CLI::Range(1, kMaxDeals).description(""))
      ->group(group);
  command_->add_option("--bootstrap", options_.held_out.resamples, "Resamples for the intervals, 100 or more [1000]")
      ->type_name("N")
      ->check(CLI::Range(kMinResamples, kMaxResamples).description(""))
      ->group(group);
  command_->add_option("--seed", options_.held_out.seed, "Of deals, sample and bootstrap [1]")
      ->type_name("N")
      ->group(group);
  command_
      ->add_option("--bucket-edges", options_.bucket_edges,
                   "Upper edges of the length buckets, in tokens that texts have [32,64,128,256,512,2048,8192]")
      ->type_name("A,B,…")
      ->take_all()
      ->allow_extra_args(false)
      ->delimiter(',')
      ->group(group);
  add_item_options(group);
  output_.add_to(*command_, group);
}

void SweepCommand::add_try_options(const std::string& group) {
  const auto list = [&](CLI::Option* option, const char* type) {
    option->type_name(type)->take_all()->allow_extra_args(false)->delimiter(',')->group(group);
    return option;
  };
  list(command_->add_option("--try-max-length", options_.max_lengths,
                            "Other limits of tokens to try, shorter or longer, each at every temperature"),
       "N,…")
      ->check(CLI::PositiveNumber.description(""));
  list(command_->add_option("--try-dtype", dtypes_, "Other compute types to try, each at every temperature"), "NAME,…");
  list(command_->add_option("--try-extend", extensions_,
                            "Extensions to try for longer texts, each at every temperature and with every --try-dtype: "
                            "ntk:2048"),
       "NAME:N,…");
}

void SweepCommand::add_item_options(const std::string& group) {
  command_
      ->add_option("--run", run_,
                   "Write the rankings as TREC runs, a file for each setting: FILE with the setting before its "
                   "extension, as in run.0.8.trec")
      ->type_name("FILE")
      ->group(group);
  command_->add_option("--run-depth", run_depth_, "Documents of each query in a run [100]")
      ->type_name("N")
      ->check(CLI::Range(1, kMaxRunDepth).description(""))
      ->group(group);
  command_
      ->add_option("--scores", scores_,
                   "Write the score of every query (of pairs, their similarity) under each setting to this JSONL file")
      ->type_name("FILE")
      ->group(group);
}

std::vector<SweepCommand::Variant> SweepCommand::variants(std::int64_t max_length) const {
  std::vector<Variant> forms = {{"", model_.options}};
  for (const std::string& text : extensions_) {
    const std::size_t colon = text.find(':');
    ModelOptions options = model_.options;
    std::int64_t length = 0;
    if (colon == std::string::npos || !CLI::detail::integral_conversion(text.substr(colon + 1), length)) {
      fail(ErrorCode::invalid_argument, "--try-extend {}: write an extension and the tokens to read, as in ntk:2048",
           text);
    }
    options.extension = parse_extension(text.substr(0, colon));
    options.max_length = length;
    forms.push_back({text, std::move(options)});
  }
  if (!options_.max_lengths.empty()) forms.front().options.max_length = max_length;
  std::vector<Variant> result(forms.begin() + 1, forms.end());
  for (const std::string& name : dtypes_) {
    for (const Variant& form : forms) {
      result.push_back({form.name.empty() ? name : name + " + " + form.name, form.options});
      result.back().options.dtype = parse_dtype(name);
    }
  }
  return result;
}

SentenceEncoder SweepCommand::load(SweepOptions& options) const {
  SentenceEncoder encoder = model_.load();
  const std::int64_t untouched = encoder.info().max_length;
  const auto& lengths = options.max_lengths;
  const std::int64_t longest = lengths.empty() ? 0 : *std::max_element(lengths.begin(), lengths.end());
  // With an extension, other lengths are an error of the sweep.
  if (longest <= untouched || encoder.info().extension != PositionExtension::none) return encoder;
  ModelOptions longer = model_.options;
  longer.max_length = longest;
  options.encode.max_length = untouched;
  // Its warnings were printed.
  return SentenceEncoder::load(longer);
}

SweepOptions SweepCommand::resolve() const {
  SweepOptions options = options_;
  options.encode = encode_.resolve();
  if (!temperatures_.empty()) {
    auto& temperatures = options.temperatures.emplace();
    for (const std::string& text : temperatures_) temperatures.push_back(Temperature::parse(text));
  }
  if (!states_.empty()) {
    auto& states = options.states.emplace();
    for (const std::string& text : states_) states.push_back(parse_state(text));
  }
  if (!posts_.empty()) {
    auto& baselines = options.baselines.emplace();
    if (posts_ != std::vector<std::string>{"none"}) {
      for (const std::string& text : posts_) baselines.push_back(parse_sweep_baseline(text));
    }
  }
  options.side = side_ == "query" ? SweepSide::query : side_ == "document" ? SweepSide::document : SweepSide::both;
  if (!similarity_.empty()) options.similarity = parse_similarity(similarity_);
  options.cache = model_.options.cache;
  return options;
}

SweepData SweepCommand::read_data() const {
  if (!unlabelled_) {
    SweepData data = read_sweep_data(data_, split_, group_field_);
    if (candidates_.empty()) return data;
    auto* retrieval = std::get_if<RetrievalData>(&data.data);
    if (retrieval == nullptr || !retrieval->candidates.empty()) {
      fail(ErrorCode::invalid_argument, "--candidates is for BEIR folders; {} {}", data_,
           retrieval == nullptr ? "has no queries and documents" : "brings candidates of its own");
    }
    read_candidates(*retrieval, candidates_, candidate_depth_);
    return data;
  }
  return unlabelled_sweep_data(data_, read_sample(data_, sample_, options_.held_out.seed));
}

SweepData SweepCommand::prepare(SweepOptions& options, Outcome& outcome) const {
  if (!run_.empty()) {
    options.run_depth = run_depth_;
    outcome.run_paths = run_paths(run_, outcome.settings);
    for (const auto& path : outcome.run_paths) check_writable(path, output_.existing());
  }
  SweepData data = read_data();
  for (const std::string& note : data_notes(data, options.ignore_identical_ids)) {
    say("treble: warning: {}\n", with_flags(note));
  }
  return data;
}

/// Shows encoding, or scoring, on a line of its own until judging begins.
ProgressCallback progress_on(WorkProgress& line) {
  return [&line](const Progress& progress) {
    if (progress.stage == "judging") {
      line.clear();
    } else {
      line.update(progress);
    }
  };
}

Reranker SweepCommand::load_reranker(SweepOptions& options) const {
  Reranker reranker = model_.load_reranker();
  const std::int64_t untouched = reranker.info().max_length;
  const auto& lengths = options.max_lengths;
  const std::int64_t longest = lengths.empty() ? 0 : *std::max_element(lengths.begin(), lengths.end());
  if (longest <= untouched || reranker.info().extension != PositionExtension::none) return reranker;
  ModelOptions longer = model_.options;
  longer.max_length = longest;
  options.encode.max_length = untouched;
  // Its warnings were printed.
  return Reranker::load(longer);
}

SweepCommand::Outcome SweepCommand::sweep_reranker(SweepOptions options) const {
  if (!dtypes_.empty() || !extensions_.empty()) {
    fail(ErrorCode::invalid_argument, "{} is for models that give vectors; {} is a reranker",
         dtypes_.empty() ? "--try-extend" : "--try-dtype", model_.options.model);
  }
  const InterruptHandler interrupts(true);
  options.stop = interrupts.token();
  const Reranker reranker = load_reranker(options);
  Outcome outcome;
  outcome.settings = sweep_settings(reranker, options);
  SweepData data = prepare(options, outcome);
  WorkProgress line;
  options.progress = progress_on(line);
  outcome.report = sweep(reranker, std::move(data), options);
  return outcome;
}

SweepCommand::Outcome SweepCommand::sweep_data(SweepOptions options) const {
  if (!model_.options.model.empty() && is_cross_encoder(model_.options.model))
    return sweep_reranker(std::move(options));
  const InterruptHandler interrupts(true);
  options.stop = interrupts.token();
  const SentenceEncoder encoder = load(options);
  std::deque<SentenceEncoder> forms;
  for (Variant& variant : variants(encoder.info().max_length)) {
    // All forms are of one model, so its warnings are printed once.
    forms.push_back(SentenceEncoder::load(variant.options));
    options.variants.push_back({std::move(variant.name), &forms.back()});
  }
  Outcome outcome;
  outcome.settings = sweep_settings(encoder, options);
  SweepData data = prepare(options, outcome);
  WorkProgress line;
  options.progress = progress_on(line);
  outcome.report = sweep(encoder, std::move(data), options);
  return outcome;
}

void SweepCommand::check_output() const {
  FileRoles roles;
  roles.reads(data_, "DATA");
  if (!candidates_.empty()) roles.reads(candidates_, "--candidates");
  std::error_code error;
  for (const char* folder : {"", "qrels"}) {
    // Of a BEIR folder; reports may well lie beside its files.
    for (const auto& entry : std::filesystem::directory_iterator(std::filesystem::path(data_) / folder, error)) {
      const std::string name = entry.path().filename().string();
      const std::string stem = name.substr(0, name.find('.'));
      if (*folder != '\0' || stem == "corpus" || stem == "queries" || stem == "train" || stem == split_ ||
          stem == "clustering") {
        roles.reads(entry.path().string(), "DATA");
      }
    }
  }
  roles.reads_model(model_.options.model);
  for (const std::string& temperature : temperatures_) roles.reads_temperature(temperature);
  for (const std::string& state : states_) roles.reads_state(state);
  if (model_.options.cache == "-") fail(ErrorCode::invalid_argument, "--cache is a folder, and cannot be stdout");
  for (const auto& [path, option] : {std::pair(&scores_, "--scores"), std::pair(&run_, "--run")}) {
    if (*path == "-") fail(ErrorCode::invalid_argument, "{} is a file, and cannot be stdout", option);
    roles.writes(*path, option);
  }
  output_.check(std::move(roles));
  if (!scores_.empty()) check_writable(scores_, output_.existing());
}

int SweepCommand::run() const {
  SweepOptions options = resolve();
  check_output();
  try {
    Outcome outcome = sweep_data(std::move(options));
    SweepReport& report = outcome.report;
    for (std::string& note : report.notes) note = with_flags(note);
    for (std::string& reason : report.skipped) reason = with_flags(reason);
    for (std::string& sentence : report.advice) sentence = with_flags(sentence);
    if (!scores_.empty()) {
      write_whole_file(scores_, scores_jsonl(report), output_.existing());
      say("wrote {}\n", scores_);
    }
    if (!run_.empty()) write_runs(report, outcome.settings, outcome.run_paths, output_.existing());
    output_.write(to_json(report), report.verdict + "\n\n" + to_table(report));
  } catch (const Error& error) {
    if (error.code() != ErrorCode::interrupted) throw;
    say("treble: {}\n", with_flags(error.what()));
    return mapping(error.code()).exit_code;
  }
  return 0;
}

}  // namespace treble::cli
