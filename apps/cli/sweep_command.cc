#include "sweep_command.h"

#include <algorithm>
#include <utility>

#include "command_line.h"
#include "fail.h"

namespace treble::cli {

namespace {

constexpr const char* kExamples =
    R"(DATA is a BEIR folder (corpus.jsonl, queries.jsonl, qrels/test.tsv; .gz and TREC's qrels too), a JSONL file of pairs
("sentence1", "sentence2" and "score" or "label") or of rankings ("query", "positive", "negative"), or with --unlabelled any
texts that embed takes. The best setting is chosen on one part of the data and judged on the rest; "no benefit" is an
answer. docs/sweep.md says how.

Examples:
  export TREBLE_MODEL=models/all-MiniLM-L6-v2
  treble sweep scifact/
  treble sweep -t 0.9 -t log:128 --side document scifact/
  treble sweep --unlabelled --html sweep.html corpus.jsonl)";

const std::vector<std::string> kUsualTemperatures = {"0.95", "0.9", "0.85", "0.8", "0.7", "0.6", "log:64", "log:128"};
/// Percentiles of fewer resamples say little.
constexpr int kFewestResamples = 100;
constexpr int kMostFolds = 1'000'000;
constexpr int kMostResamples = 1'000'000;
/// What else is done against vectors that crowd together; fitted without labels, on other texts than those judged.
const std::vector<std::string> kBaselines = {"centring", "whitening", "all-but-the-top", "length-direction"};

}  // namespace

void SweepCommand::add_to(CLI::App& app) {
  command_ = app.add_subcommand("sweep", "Try temperatures on your data: does one help, judged on held-out parts?");
  command_->add_option("DATA", data_, "BEIR folder, JSONL of pairs, or texts with --unlabelled")->required();
  add_data_options();
  add_prompt_options();
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
  command_->add_option("--sample", sample_, "At most so many unlabelled texts [1000]")
      ->type_name("N")
      ->check(CLI::PositiveNumber.description(""))
      ->group(group);
  command_
      ->add_flag("--ignore-identical-ids", ignore_identical_ids_,
                 "A document with the id of a query is in no ranking of it (ArguAna, Quora: queries out of the corpus)")
      ->group(group);
  command_
      ->add_option("--similarity", similarity_,
                   "How vectors are compared [as the model says, else cosine]; distances count as minus themselves")
      ->type_name("cosine|dot|euclidean|manhattan")
      ->check(CLI::IsMember({"cosine", "dot", "euclidean", "manhattan"}).description(""))
      ->group(group);
  command_->add_option("--cache", cache_, "Folder for vectors, so that a rerun goes on where it was [none is kept]")
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
  add("query", "queries", prompts_.query);
  add("document", "documents", prompts_.document);
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
      ->check(one_of({"both", "query", "document"}))
      ->group(group);
  command_->add_option("--folds", held_out_.folds, "Parts, each judged by what is best on the others [2]")
      ->type_name("N")
      ->check(CLI::Range(2, kMostFolds).description(""))
      ->group(group);
  command_->add_option("--bootstrap", held_out_.resamples, "Resamples for the intervals, 100 or more [1000]")
      ->type_name("N")
      ->check(CLI::Range(kFewestResamples, kMostResamples).description(""))
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

}  // namespace treble::cli
