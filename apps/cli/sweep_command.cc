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
"score" or "label") or of rankings ("query", "positive", "negative"), or with --unlabelled any texts that embed takes. The best setting is chosen on one part of the data
and judged on the rest; "no benefit" is an answer. docs/sweep.md says how.

Examples:
  treble sweep --model models/all-MiniLM-L6-v2 scifact/
  treble sweep --model models/all-MiniLM-L6-v2 --temperature 0.9 --temperature log:128 --side document scifact/
  treble sweep --model models/all-MiniLM-L6-v2 --unlabelled --html sweep.html corpus.jsonl)";

const std::vector<std::string> kUsualTemperatures = {"0.95", "0.9", "0.85", "0.8", "0.7", "0.6", "log:64", "log:128"};
/// Words a text must have to be cut in halves.
constexpr std::size_t kLeastWords = 30;
/// What else is done against vectors that crowd together; fitted without labels, on other texts than those judged.
const std::vector<std::string> kBaselines = {"centring", "whitening", "all-but-the-top", "length-direction"};

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
  command_
      ->add_option("--post", posts_,
                   "Steps behind the untouched model to try beside them, chunk-mean[:N] and chunk-max[:N] too, or none "
                   "[centring whitening all-but-the-top length-direction]")
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
      ->take_all()
      ->allow_extra_args(false)
      ->delimiter(',')
      ->group(group);
  output_.add_to(*command_, group);
}

std::vector<SweepCommand::Variant> SweepCommand::variants() const {
  std::vector<Variant> result = {{"", model_.options}};
  for (const std::string& name : dtypes_) {
    ModelOptions options = model_.options;
    options.dtype = parse_dtype(name);
    result.push_back({name, std::move(options)});
  }
  for (const std::string& text : extensions_) {
    const std::size_t colon = text.find(':');
    std::int64_t most = 0;
    if (colon == std::string::npos || !CLI::detail::integral_conversion(text.substr(colon + 1), most)) {
      fail(ErrorCode::invalid_argument, "--try-extend {}: write an extension and the tokens to read, as in ntk:2048",
           text);
    }
    ModelOptions options = model_.options;
    options.extension = parse_extension(text.substr(0, colon));
    options.max_length = most;
    result.push_back({text, std::move(options)});
  }
  return result;
}

std::vector<SweepSetting> SweepCommand::settings() const {
  std::vector<SweepSetting> result = {{}};
  const auto add = [&](SweepSetting setting) {
    const auto same = [&](const SweepSetting& other) { return other.name() == setting.name(); };
    if (std::none_of(result.begin(), result.end(), same)) result.push_back(std::move(setting));
  };
  std::vector<Temperature> temperatures = {{}};
  for (const std::string& text : temperatures_.empty() ? kUsualTemperatures : temperatures_) {
    temperatures.push_back(Temperature::parse(text));
  }
  const auto forms = variants();
  for (std::size_t form = 0; form < forms.size(); ++form) {
    for (const Temperature& temperature : temperatures) {
      add({.temperature = temperature, .variant = form, .variant_name = forms[form].name});
    }
  }
  if (posts_ == std::vector<std::string>{"none"}) return result;
  for (const std::string& text : posts_.empty() ? kBaselines : posts_) {
    if (text.starts_with("chunk-")) {
      add({.chunks = ChunkOptions::parse(text)});
    } else {
      add({.post = PostSpec::parse(text)});
    }
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
    return {make_retrieval_task(std::move(halves), encoder, side, prompts_, held_out_), texts, false};
  }
  if (std::filesystem::is_directory(data_)) {
    RetrievalData data = read_beir(data_, split_);
    const std::size_t texts = data.queries.size() + data.documents.size();
    return {make_retrieval_task(std::move(data), encoder, side, prompts_, held_out_), texts, true};
  }
  if (is_reranking(data_)) {
    RetrievalData data = read_reranking(data_);
    const std::size_t texts = data.queries.size() + data.documents.size();
    return {make_retrieval_task(std::move(data), encoder, side, prompts_, held_out_), texts, true};
  }
  if (side != SweepSide::both) {
    fail(ErrorCode::invalid_argument, "--side {}: pairs have no queries and documents; leave it out", side_);
  }
  PairData pairs = read_pairs(data_);
  const std::size_t texts = 2 * pairs.scores.size();
  return {make_pair_task(std::move(pairs), encoder, held_out_), texts, true};
}

int SweepCommand::run() const {
  output_.check();
  const auto tried = settings();
  std::vector<SentenceEncoder> encoders;
  for (const Variant& variant : variants()) {
    ModelArguments arguments = model_;
    arguments.options = variant.options;
    // The forms are of one model, so its warnings are said once.
    encoders.push_back(encoders.empty() ? arguments.load() : SentenceEncoder::load(arguments.options));
  }
  std::vector<const SentenceEncoder*> forms;
  for (const SentenceEncoder& encoder : encoders) forms.push_back(&encoder);
  WorkProgress progress;
  std::size_t done = 0;
  std::size_t total = 0;
  const CachedEncoder cached(std::move(forms), encode_.resolve(), VectorCache(cache_), [&](std::size_t texts) {
    done += texts;
    progress.update("encoding", static_cast<std::int64_t>(std::min(done, total)), static_cast<std::int64_t>(total));
  });
  const Data data = open_task(cached);
  const auto encoded = std::count_if(tried.begin(), tried.end(), [](const SweepSetting& s) { return !s.post; });
  total = std::max<std::size_t>(1, data.texts * static_cast<std::size_t>(encoded));
  progress.update("encoding", 0, static_cast<std::int64_t>(total));
  // Before the long work: what cannot be judged need not be encoded.
  if (data.task->items() < 2 * static_cast<std::size_t>(std::max(2, held_out_.folds))) {
    fail(ErrorCode::invalid_argument, "{}: {} items cannot be divided into {} folds of at least 2; give more data",
         data_, data.task->items(), held_out_.folds);
  }
  std::vector<SweepSetting> judged;
  std::vector<std::string> left_out;
  for (const SweepSetting& setting : tried) {
    try {
      data.task->add(setting);
      judged.push_back(setting);
    } catch (const Error& error) {
      // A step that these texts cannot be fitted with is no reason to lose the rest, unless it was asked for.
      if (!setting.post || !posts_.empty()) throw;
      left_out.push_back(setting.name() + ": " + error.what());
    }
  }
  progress.clear();
  SweepReport report = make_report(*data.task, std::move(judged), edges_, held_out_);
  report.left_out = std::move(left_out);
  report.model = encoders.front().info().name;
  report.data = data_;
  report.side = side_;
  report.labelled = data.labelled;
  output_.write(sweep_json(report), sweep_verdict(report) + "\n\n" + sweep_table(report));
  return 0;
}

}  // namespace treble::cli
