#include "sweep_command.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <utility>

#include "fail.h"
#include "progress.h"
#include "read_texts.h"
#include "sweep_report.h"

namespace treble::cli {

namespace {

constexpr const char* kExamples =
    R"(DATA is a BEIR folder (corpus.jsonl, queries.jsonl, qrels/test.tsv), a JSONL file of pairs ("sentence1", "sentence2" and
"score" or "label"), or with --unlabelled any texts that embed takes. The best setting is chosen on one part of the data
and judged on the rest; "no benefit" is an answer. docs/sweep.md says how.

Examples:
  treble sweep --model models/all-MiniLM-L6-v2 scifact/
  treble sweep --model models/all-MiniLM-L6-v2 --temperature 0.9 --temperature log:128 --side document scifact/
  treble sweep --model models/all-MiniLM-L6-v2 --unlabelled --html sweep.html corpus.jsonl)";

const std::vector<std::string> kUsualTemperatures = {"0.95", "0.9", "0.85", "0.8", "0.7", "0.6", "log:64", "log:128"};
/// Words a text must have to be cut in halves.
constexpr std::size_t kLeastWords = 30;

}  // namespace

void SweepCommand::add_to(CLI::App& app) {
  command_ = app.add_subcommand("sweep", "Try temperatures on your data: does one help, judged on held-out parts?");
  command_->add_option("DATA", data_, "BEIR folder, JSONL of pairs, or texts with --unlabelled")->required();
  add_data_options();
  add_judgement_options();
  model_.add_to(*command_);
  encode_.add_to(*command_);
  command_->footer(kExamples);
}

void SweepCommand::add_data_options() {
  const std::string group = "Data";
  command_->add_option("--split", split_, "Which qrels of a BEIR folder [test]")->type_name("NAME")->group(group);
  command_->add_flag("--unlabelled", unlabelled_, "A proxy: the first half of each text should find its second half")
      ->group(group);
  command_->add_option("--sample", sample_, "At most so many unlabelled texts [1000]")->type_name("N")->group(group);
  command_->add_option("--query-prompt-name", prompts_.query, "The model's prompt for queries")
      ->type_name("NAME")
      ->group(group);
  command_->add_option("--document-prompt-name", prompts_.document, "The model's prompt for documents")
      ->type_name("NAME")
      ->group(group);
  command_->add_option("--cache", cache_, "Folder for vectors, so that a rerun goes on where it was [none is kept]")
      ->type_name("DIR")
      ->group(group);
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
  command_->add_option("--side", side_, "Whose texts it acts on [both]")
      ->type_name("both|query|document")
      ->check(CLI::IsMember({"both", "query", "document"}).description(""))
      ->group(group);
  command_->add_option("--folds", held_out_.folds, "Parts, each judged by what is best on the others [2]")
      ->type_name("N")
      ->group(group);
  command_->add_option("--bootstrap", held_out_.resamples, "Resamples for the intervals [1000]")
      ->type_name("N")
      ->group(group);
  command_->add_option("--seed", held_out_.seed, "Of folds, sample and bootstrap [1]")->type_name("N")->group(group);
  command_->add_option("--bucket-edges", edges_, "Upper edges of the length buckets [32,64,128,256,512]")
      ->type_name("A,B,…")
      ->delimiter(',')
      ->group(group);
  output_.add_to(*command_, group);
}

std::vector<SweepSetting> SweepCommand::settings() const {
  std::vector<SweepSetting> result = {{}};
  for (const std::string& text : temperatures_.empty() ? kUsualTemperatures : temperatures_) {
    SweepSetting setting{Temperature::parse(text)};
    const auto same = [&](const SweepSetting& other) { return other.name() == setting.name(); };
    if (std::none_of(result.begin(), result.end(), same)) result.push_back(std::move(setting));
  }
  return result;
}

SweepCommand::Data SweepCommand::open_task(const CachedEncoder& encoder) const {
  const SweepSide side = side_ == "query"      ? SweepSide::query
                         : side_ == "document" ? SweepSide::document
                                               : SweepSide::both;
  if (unlabelled_) {
    RetrievalData halves = halves_of(read_sample(data_, sample_, held_out_.seed), kLeastWords);
    const std::size_t texts = halves.queries.size() + halves.documents.size();
    return {make_retrieval_task(std::move(halves), encoder, side, prompts_), texts, false};
  }
  if (std::filesystem::is_directory(data_)) {
    RetrievalData data = read_beir(data_, split_);
    const std::size_t texts = data.queries.size() + data.documents.size();
    return {make_retrieval_task(std::move(data), encoder, side, prompts_), texts, true};
  }
  if (side != SweepSide::both) {
    fail(ErrorCode::invalid_argument, "--side {}: pairs have no queries and documents; leave it out", side_);
  }
  PairData pairs = read_pairs(data_);
  const std::size_t texts = 2 * pairs.scores.size();
  return {make_pair_task(std::move(pairs), encoder), texts, true};
}

int SweepCommand::run() const {
  output_.check();
  const auto tried = settings();
  const SentenceEncoder encoder = model_.load();
  const bool interactive = is_interactive(STDERR_FILENO);
  std::size_t done = 0;
  std::size_t total = 0;
  const CachedEncoder cached(encoder, encode_.resolve(), VectorCache(cache_), [&](std::size_t texts) {
    done += texts;
    if (interactive)
      fmt::print(stderr, "\r\x1b[K{:3.0f} % of {} settings",
                 100.0 * static_cast<double>(done) / static_cast<double>(total), tried.size());
  });
  const Data data = open_task(cached);
  total = std::max<std::size_t>(1, data.texts * tried.size());
  // Before the long work: what cannot be judged need not be encoded.
  if (data.task->items() < 2 * static_cast<std::size_t>(std::max(2, held_out_.folds))) {
    fail(ErrorCode::invalid_argument, "{}: {} items cannot be divided into {} folds of at least 2; give more data",
         data_, data.task->items(), held_out_.folds);
  }
  std::vector<std::string> names;
  for (const SweepSetting& setting : tried) {
    data.task->add(setting);
    names.push_back(setting.name());
  }
  if (interactive) std::fputs("\r\x1b[K", stderr);
  SweepReport report = make_report(*data.task, std::move(names), edges_, held_out_);
  report.model = encoder.info().name;
  report.data = data_;
  report.side = side_;
  report.labelled = data.labelled;
  output_.write(sweep_json(report), sweep_verdict(report) + "\n\n" + sweep_table(report));
  return 0;
}

}  // namespace treble::cli
