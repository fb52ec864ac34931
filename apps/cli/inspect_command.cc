#include "inspect_command.h"

#include <string_view>
#include <utility>

#include "fail.h"
#include "file_roles.h"
#include "json.h"
#include "progress.h"
#include "read_texts.h"

namespace treble::cli {

namespace {

constexpr const char* kInspectExamples =
    R"(The untouched model (temperature 1) is always measured beside the temperatures given. Models with states (Mamba-2) have no
attention: state controls take the temperatures' place, and the states themselves are looked at over the tokens read. Of
models that give a vector for each token (ColBERT), those are measured: how alike they are within a text, and MaxSim. The
input is read once and may be larger than memory; at most --sample texts of each length are kept and embedded.

Examples:
  export TREBLE_MODEL=models/all-MiniLM-L6-v2
  treble inspect corpus.jsonl
  treble inspect --temperature 0.9 --temperature 0.8 corpus.jsonl
  treble inspect -t 0.8 --json - notes/ | python3 -m json.tool
  treble inspect -t 0.8 --labels label --html classes.html labelled.jsonl
  treble inspect --temperature 0.8 --html report.html corpus.jsonl
  treble inspect -m models/colbert -t 0.8 --html tokens.html corpus.jsonl
  treble inspect -m models/mamba2 --training-length 128 --state window:128 \
    --state rri:0.9999,0.75 --html states.html long.jsonl)";

/// Ids come as JSON; people know them without the quotes.
std::string plain_id(const std::string& id) {
  const Json json = parse_json_text(id);
  return json.is_string() ? json.get<std::string>() : id;
}

constexpr std::int64_t kLabelSample = 2000;
constexpr std::string_view kNormFile = "norm:";

/// "0,5" or "none".
std::vector<std::int64_t> parse_layers(const std::string& text) {
  std::vector<std::int64_t> layers;
  if (text == "none") return layers;
  for (const std::string& part : CLI::detail::split(text, ',')) {
    std::int64_t layer = 0;
    if (!CLI::detail::integral_conversion(part, layer)) {
      fail(ErrorCode::invalid_argument, "--layers: \"{}\" is not a list of layers; write 0,5 or all or none", text);
    }
    layers.push_back(layer);
  }
  return layers;
}

[[noreturn]] void fail_without_labels(const std::string& field, std::int64_t texts) {
  fail(ErrorCode::invalid_file, "--labels {}: none of the {} texts has a label there; is the field called otherwise?",
       field, texts);
}

}  // namespace

void InspectCommand::add_to(CLI::App& app) {
  command_ = app.add_subcommand("inspect", "Show length collapse: how alike vectors of short and of long texts are");
  const std::string group = "Measure";
  command_
      ->add_option("-t,--temperature", temperatures_,
                   "A temperature to compare: 0.8, log:N0, ssmax:S[,B], yarn:N0 or a profile; may be repeated")
      ->type_name("T")
      ->take_all()
      ->allow_extra_args(false)
      ->group(group);
  command_
      ->add_option("--state", states_,
                   "Of Mamba-2, a state control to compare: rri:A,B, window:R, norm:P or norm:FILE; may be repeated")
      ->type_name("CONTROL")
      ->take_all()
      ->allow_extra_args(false)
      ->group(group);
  command_
      ->add_option("--training-length", options_.training_length,
                   "Of Mamba-2, tokens of the texts it was trained on [the limit that its files state]")
      ->type_name("N")
      ->group(group);
  command_
      ->add_option(
          "--output-kind", output_kind_,
          "What is measured: dense (a vector a text) or multi-vector (the token vectors of documents: ColBERT, "
          "BGE-M3) [dense, where the model gives it]")
      ->type_name("KIND")
      ->group(group);
  command_
      ->add_option("--max-sim-documents", options_.max_sim_documents,
                   "Of token vectors: others of its length that each text is compared with by MaxSim, at most [32]")
      ->type_name("N")
      ->group(group);
  command_
      ->add_option("--post", posts_,
                   "Post-processing steps to measure after the untouched model: centring, whitening[:K], …")
      ->type_name("NAME,…")
      ->take_all()
      ->allow_extra_args(false)
      ->delimiter(',')
      ->group(group);
  output_.add_to(*command_, group);
  command_->add_option("--queries", queries_, "Queries to compare with the texts: does a longer text score higher?")
      ->type_name("FILE")
      ->group(group);
  command_->add_option("--query-prompt-name", query_prompt_name_, "The model's prompt for them")
      ->type_name("NAME")
      ->group(group);
  command_
      ->add_option("--labels", labels_,
                   "Field (a.b: within an object) or column with the class of each text: how far have classes drawn "
                   "together, by layer and temperature?")
      ->type_name("FIELD")
      ->group(group);
  command_->add_option("--label-sample", label_sample_, "Maximum number of texts with a label to measure [2000]")
      ->type_name("N")
      ->group(group);
  command_->add_option("--layers", layers_, "Layers to look into, from 0: 0,5 or all or none [all]")
      ->type_name("A,B,…")
      ->group(group);
  command_->add_option("--sample", options_.sample, "Maximum number of texts of each length [200]")
      ->type_name("N")
      ->group(group);
  command_->add_option("--seed", options_.seed, "Of the sample and the bootstrap [1]")->type_name("N")->group(group);
  command_->add_option("--bootstrap", options_.bootstrap, "Resamples for the intervals [1000]")
      ->type_name("N")
      ->group(group);
  command_
      ->add_option("--cut-lengths", options_.cut_lengths, "Tokens at which the same texts are cut [32,64,128,256,512]")
      ->type_name("A,B,…")
      ->take_all()
      ->allow_extra_args(false)
      ->delimiter(',')
      ->group(group);
  command_->add_option("--bucket-edges", options_.bucket_edges, "Upper edges of the length buckets [32,64,128,256,512]")
      ->type_name("A,B,…")
      ->take_all()
      ->allow_extra_args(false)
      ->delimiter(',')
      ->group(group);
  model_.add_to(*command_);
  encode_.add_to(*command_);
  input_.add_to(*command_);
  command_->footer(kInspectExamples);
}

InspectOptions InspectCommand::resolve() const {
  InspectOptions options = options_;
  options.encode = encode_.resolve();
  for (const auto& text : temperatures_) options.temperatures.push_back(Temperature::parse(text));
  for (const auto& text : states_) options.states.push_back(StateControl::parse(text));
  for (const auto& text : posts_) options.posts.push_back(PostSpec::parse(text));
  if (!output_kind_.empty()) options.output = parse_output_kind(output_kind_);
  if (!layers_.empty() && layers_ != "all") options.layers = parse_layers(layers_);
  if (!queries_.empty()) options.queries = read_queries(queries_);
  if (!labels_.empty()) options.label_sample = label_sample_.value_or(kLabelSample);
  if (!query_prompt_name_.empty()) options.query_prompt_name = query_prompt_name_;
  return options;
}

void InspectCommand::check_labels(const InputPlan& plan) const {
  if (labels_.empty()) {
    if (label_sample_) fail(ErrorCode::invalid_argument, "--label-sample needs --labels FIELD");
    return;
  }
  for (const InputFile& file : plan.files) {
    if (file.format != InputFormat::txt && file.format != InputFormat::document) continue;
    fail(ErrorCode::invalid_argument,
         "--labels {}: {} is plain text, which has no fields; labels are read from JSONL, JSON, CSV, TSV and Parquet "
         "(--format)",
         labels_, file.path == "-" ? "stdin" : file.path);
  }
}

void InspectCommand::check_output(const InputPlan& plan) const {
  FileRoles roles;
  roles.reads(plan);
  roles.reads(queries_, "--queries");
  roles.reads_model(model_.options.model);
  for (const std::string& temperature : temperatures_) roles.reads_temperature(temperature);
  for (const std::string& control : states_) {
    if (control.starts_with(kNormFile) && control.ends_with(".json")) {
      roles.reads(control.substr(kNormFile.size()), "--state");
    }
  }
  output_.check(std::move(roles));
}

CollapseReport InspectCommand::inspect(const SentenceEncoder& encoder, const InputPlan& plan,
                                       const InspectOptions& options) const {
  InputOptions input = input_.resolve();
  if (!labels_.empty()) input.label_field = labels_;
  const auto source = open_inputs(plan, input);
  std::int64_t texts = 0;
  std::int64_t labelled = 0;
  return inspect_collapse(
      encoder,
      [&](InspectText& text) {
        TextRecord record;
        if (!source->next(record)) {
          if (!labels_.empty() && texts > 0 && labelled == 0) fail_without_labels(labels_, texts);
          return false;
        }
        ++texts;
        if (!record.label.empty()) ++labelled;
        std::string place = record.label.empty() ? plan.place(record) : std::string();
        text = {plain_id(record.id), std::move(record.text), std::move(record.label), std::move(place)};
        return true;
      },
      options);
}

int InspectCommand::run() const {
  input_.check_given();
  const InputPlan plan = input_.plan();
  check_labels(plan);
  check_output(plan);
  InspectOptions options = resolve();
  WorkProgress progress;
  options.progress = [&progress](const treble::Progress& p) { progress.update({p.stage, p.done, p.total}); };
  const CollapseReport report = inspect(model_.load(false, encode_.options.prompt_name), plan, options);
  progress.clear();
  std::string verdict = report.verdict;
  if (report.classes) verdict += "\n\n" + report.classes->verdict;
  output_.write(to_json(report), verdict + (verdict.empty() ? "" : "\n\n") + to_table(report));
  return 0;
}

}  // namespace treble::cli
