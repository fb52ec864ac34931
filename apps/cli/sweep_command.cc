#include "sweep_command.h"

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
#include "standard_streams.h"

namespace treble::cli {

namespace {

constexpr const char* kSweepExamples =
    R"(DATA is a BEIR folder (corpus.jsonl, queries.jsonl, qrels/test.tsv; .gz and TREC's qrels too), a JSONL file of pairs
("sentence1", "sentence2" and "score" or "label") or of rankings ("query", "positive", "negative"), or with --unlabelled any
texts that embed takes. The best setting is chosen on one part of the data and judged on the rest; "no benefit" is an
answer. docs/sweep.md says how.

Examples:
  export TREBLE_MODEL=models/all-MiniLM-L6-v2
  treble sweep scifact/
  treble sweep -t 0.9 -t log:128 --side document scifact/
  treble sweep --unlabelled --html sweep.html corpus.jsonl)";

/// Percentiles of fewer resamples say little.
constexpr int kMinResamples = 100;
constexpr int kMaxResamples = 1'000'000;
constexpr int kMaxFolds = 1'000'000;
constexpr int kMaxDeals = 10'000;

}  // namespace

void SweepCommand::add_to(CLI::App& app) {
  command_ = app.add_subcommand("sweep", "Try temperatures on your data: does one help, judged on held-out parts?");
  command_->add_option("DATA", data_, "BEIR folder, JSONL of pairs, or texts with --unlabelled")->required();
  add_data_options();
  add_prompt_options();
  add_judgement_options();
  model_.add_to(*command_);
  encode_.add_to(*command_);
  command_->footer(kSweepExamples);
}

void SweepCommand::add_data_options() {
  const std::string group = "Data";
  command_->add_option("--split", split_, "Which qrels of a BEIR folder [test]")->type_name("NAME")->group(group);
  command_->add_flag("--unlabelled", unlabelled_, "A proxy: the first half of each text should find its second half")
      ->group(group);
  command_->add_option("--sample", sample_, "Maximum number of unlabelled texts [1000]")
      ->type_name("N")
      ->check(CLI::PositiveNumber.description(""))
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
  command_->add_option("--cache", cache_, "Folder that keeps vectors, so that a rerun resumes [none]")
      ->type_name("DIR")
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
      ->add_option("--post", posts_,
                   "Post-processing steps to try after the untouched model, chunk-mean[:N], chunk-max[:N] and "
                   "late-chunk:N too, or "
                   "none [centring whitening all-but-the-top length-direction]")
      ->type_name("NAME,…")
      ->take_all()
      ->allow_extra_args(false)
      ->delimiter(',')
      ->group(group);
  command_->add_option("--try-dtype", dtypes_, "Other compute types to try, each at every temperature")
      ->type_name("NAME,…")
      ->take_all()
      ->allow_extra_args(false)
      ->delimiter(',')
      ->group(group);
  command_
      ->add_option("--try-extend", extensions_,
                   "Extensions to try for longer texts, each at every temperature: ntk:2048")
      ->type_name("NAME:N,…")
      ->take_all()
      ->allow_extra_args(false)
      ->delimiter(',')
      ->group(group);
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
  output_.add_to(*command_, group);
}

std::vector<SweepCommand::Variant> SweepCommand::variants() const {
  std::vector<Variant> result;
  for (const std::string& name : dtypes_) {
    ModelOptions options = model_.options;
    options.dtype = parse_dtype(name);
    result.push_back({name, std::move(options)});
  }
  for (const std::string& text : extensions_) {
    const std::size_t colon = text.find(':');
    std::int64_t max_length = 0;
    if (colon == std::string::npos || !CLI::detail::integral_conversion(text.substr(colon + 1), max_length)) {
      fail(ErrorCode::invalid_argument, "--try-extend {}: write an extension and the tokens to read, as in ntk:2048",
           text);
    }
    ModelOptions options = model_.options;
    options.extension = parse_extension(text.substr(0, colon));
    options.max_length = max_length;
    result.push_back({text, std::move(options)});
  }
  return result;
}

SweepOptions SweepCommand::resolve() const {
  SweepOptions options = options_;
  options.encode = encode_.resolve();
  if (!temperatures_.empty()) {
    auto& temperatures = options.temperatures.emplace();
    for (const std::string& text : temperatures_) temperatures.push_back(Temperature::parse(text));
  }
  if (!posts_.empty()) {
    auto& baselines = options.baselines.emplace();
    if (posts_ != std::vector<std::string>{"none"}) {
      for (const std::string& text : posts_) baselines.push_back(parse_sweep_baseline(text));
    }
  }
  options.side = side_ == "query" ? SweepSide::query : side_ == "document" ? SweepSide::document : SweepSide::both;
  if (!similarity_.empty()) options.similarity = parse_similarity(similarity_);
  options.cache = cache_;
  return options;
}

SweepData SweepCommand::read_data() const {
  if (!unlabelled_) return read_sweep_data(data_, split_, group_field_);
  return unlabelled_sweep_data(data_, read_sample(data_, sample_, options_.held_out.seed));
}

SweepReport SweepCommand::sweep_data(SweepOptions options) const {
  const InterruptHandler interrupts(true);
  options.stop = interrupts.token();
  const SentenceEncoder encoder = model_.load();
  std::deque<SentenceEncoder> forms;
  for (Variant& variant : variants()) {
    // All forms are of one model, so its warnings are printed once.
    forms.push_back(SentenceEncoder::load(variant.options));
    options.variants.push_back({std::move(variant.name), &forms.back()});
  }
  SweepData data = read_data();
  for (const std::string& note : data_notes(data, options.ignore_identical_ids)) {
    say("treble: warning: {}\n", with_flags(note));
  }
  WorkProgress line;
  options.progress = [&line](const Progress& progress) {
    if (progress.stage == "judging") {
      line.clear();
    } else {
      line.update(progress);
    }
  };
  return sweep(encoder, std::move(data), options);
}

void SweepCommand::check_output() const {
  FileRoles roles;
  roles.reads(data_, "DATA");
  std::error_code error;
  for (const char* folder : {"", "qrels"}) {
    // Of a BEIR folder; reports may well lie beside its files.
    for (const auto& entry : std::filesystem::directory_iterator(std::filesystem::path(data_) / folder, error)) {
      const std::string name = entry.path().filename().string();
      if (*folder != '\0' || name.starts_with("corpus.") || name.starts_with("queries.")) {
        roles.reads(entry.path().string(), "DATA");
      }
    }
  }
  roles.reads_model(model_.options.model);
  for (const std::string& temperature : temperatures_) roles.reads_temperature(temperature);
  if (cache_ == "-") fail(ErrorCode::invalid_argument, "--cache is a folder, and cannot be stdout");
  output_.check(std::move(roles));
}

int SweepCommand::run() const {
  SweepOptions options = resolve();
  check_output();
  try {
    SweepReport report = sweep_data(std::move(options));
    for (std::string& note : report.notes) note = with_flags(note);
    for (std::string& reason : report.skipped) reason = with_flags(reason);
    for (std::string& sentence : report.advice) sentence = with_flags(sentence);
    output_.write(to_json(report), report.verdict + "\n\n" + to_table(report));
  } catch (const Error& error) {
    if (error.code() != ErrorCode::interrupted) throw;
    say("treble: {}\n", with_flags(error.what()));
    return mapping(error.code()).exit_code;
  }
  return 0;
}

}  // namespace treble::cli
