#include "inspect_command.h"

#include "output/output_file.h"
#include "read_texts.h"

namespace treble::cli {

namespace {

constexpr const char* kExamples =
    R"(The untouched model (temperature 1) is always measured beside the temperatures given.
The texts must fit into memory; at most --sample of each length are embedded.

Examples:
  treble inspect --model models/all-MiniLM-L6-v2 corpus.jsonl
  treble inspect --model models/all-MiniLM-L6-v2 --temperature 0.9 --temperature 0.8 corpus.jsonl
  treble inspect --model models/all-MiniLM-L6-v2 --temperature 0.8 --json - notes/ | jq .verdict)";

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
  command_->add_option("--json", json_, "Write the report as JSON to this file; - is stdout, in place of the table")
      ->type_name("FILE")
      ->group(group);
  command_->add_option("--sample", options_.sample, "At most so many texts of each length [200]")
      ->type_name("N")
      ->group(group);
  command_->add_option("--seed", options_.seed, "Of the sample and the bootstrap [1]")->type_name("N")->group(group);
  command_->add_option("--bootstrap", options_.bootstrap, "Resamples for the intervals [1000]")
      ->type_name("N")
      ->group(group);
  command_
      ->add_option("--cut-lengths", options_.cut_lengths, "Tokens at which the same texts are cut [32,64,128,256,512]")
      ->type_name("A,B,…")
      ->delimiter(',')
      ->group(group);
  command_->add_option("--bucket-edges", options_.bucket_edges, "Upper edges of the length buckets [32,64,128,256,512]")
      ->type_name("A,B,…")
      ->delimiter(',')
      ->group(group);
  model_.add_to(*command_);
  encode_.add_to(*command_);
  input_.add_to(*command_);
  command_->footer(kExamples);
}

InspectOptions InspectCommand::resolve() const {
  InspectOptions options = options_;
  options.encode = encode_.resolve();
  for (const auto& text : temperatures_) options.temperatures.push_back(Temperature::parse(text));
  return options;
}

int InspectCommand::run() const {
  input_.check_given();
  const InspectOptions options = resolve();
  const AllTexts texts = read_all_texts(input_);
  const SentenceEncoder encoder = model_.load();
  const CollapseReport report = inspect_collapse(encoder, texts.views, options);
  const bool to_stdout = json_ == "-";
  if (!json_.empty() && !to_stdout) replace_file(json_, to_json(report) + "\n");
  print_out(to_stdout ? to_json(report) + "\n"
                      : report.verdict + (report.verdict.empty() ? "" : "\n\n") + to_table(report));
  return 0;
}

}  // namespace treble::cli
