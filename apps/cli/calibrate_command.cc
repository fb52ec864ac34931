#include "calibrate_command.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "command_line.h"
#include "file_roles.h"
#include "progress.h"
#include "read_texts.h"
#include "standard_streams.h"
#include "treble/whole_file.h"

namespace treble::cli {

namespace {

constexpr const char* kCalibrateExamples =
    R"(At every length, each layer's logit scale is chosen so that its attention spreads (or filters) as at the reference
length. The texts must be as long as the longest of --lengths; they need no labels.

Examples:
  export TREBLE_MODEL=models/all-MiniLM-L6-v2
  treble calibrate --lengths 64,128,256 corpus.jsonl -o profile.json
  treble embed -t match:profile.json corpus.jsonl -o tempered.npy)";

constexpr std::size_t kMaxMisses = 12;
/// A scale below this is a change of direction and not the rounding of the search.
constexpr double kFlatter = 0.995;

void draw_progress(const treble::Progress& progress) {
  say("\r{:3} % (layer {} of {}){}", 100 * progress.done / progress.total, progress.done, progress.total,
      progress.done == progress.total ? "\r\x1b[K" : "");
}

/// A row a layer, a column a length; of several heads their range.
std::string scales_table(const TemperatureProfile& profile) {
  std::string out = "logit scale s = 1/tau\n  layer";
  for (const auto length : profile.lengths) out += fmt::format("{:>16}", length);
  for (std::size_t layer = 0; layer < profile.logit_scales.size(); ++layer) {
    out += fmt::format("\n  {:<5}", layer);
    for (std::size_t i = 0; i < profile.lengths.size(); ++i) {
      double low = profile.logit_scales[layer].front()[i];
      double high = low;
      for (const auto& head : profile.logit_scales[layer]) {
        low = std::min(low, head[i]);
        high = std::max(high, head[i]);
      }
      out +=
          low == high ? fmt::format("{:>16.3f}", low) : fmt::format("{:>16}", fmt::format("{:.3f}…{:.3f}", low, high));
    }
  }
  return out + "\n";
}

/// A line for each place where the reference was out of reach; the profile holds the nearest scale.
std::string misses(const std::vector<UnreachedTarget>& unreached, bool per_head) {
  std::string out;
  for (std::size_t i = 0; i < std::min(unreached.size(), kMaxMisses); ++i) {
    const UnreachedTarget& miss = unreached[i];
    out +=
        fmt::format("not reached: layer {}{} at {} tokens: target {:.4f}, {:.4f} at the end of the range\n", miss.layer,
                    per_head ? fmt::format(", head {}", miss.head) : "", miss.length, miss.target, miss.reached);
  }
  if (unreached.size() > kMaxMisses) out += fmt::format("… and {} more places\n", unreached.size() - kMaxMisses);
  return out;
}

/// Said where the profile flattens attention.
std::string flattening(const TemperatureProfile& profile) {
  int flatter = 0;
  int all = 0;
  for (const auto& layer : profile.logit_scales) {
    for (const auto& head : layer) {
      for (std::size_t i = 0; i < head.size(); ++i) {
        if (profile.lengths[i] <= profile.reference_length) continue;
        ++all;
        if (head[i] < kFlatter) ++flatter;
      }
    }
  }
  if (flatter == 0) return "";
  return fmt::format(
      "{} of {} scales for texts longer than {} tokens are below 1: there attention is made flatter, against the "
      "direction of TempScale{}. `treble sweep -t match:FILE` judges a profile\n",
      flatter, all, profile.reference_length,
      profile.matched == CalibrationTarget::filter_rate ? " (--match entropy keeps its spread instead)" : "");
}

}  // namespace

void CalibrateCommand::add_to(CLI::App& app) {
  command_ = app.add_subcommand("calibrate", "Make a temperature profile from unlabelled texts");
  const std::string group = "Calibrate";
  command_->add_option("-o,--output", output_, "The profile to write; - is stdout")
      ->type_name("FILE.json")
      ->required()
      ->group(group);
  command_->add_option("--match", match_, "What to keep equal over lengths [entropy]")
      ->type_name("entropy|filter-rate")
      ->check(one_of({"entropy", "filter-rate"}))
      ->group(group);
  command_
      ->add_option("--reference-length", options_.reference_length, "Tokens at which the model is taken as it is [64]")
      ->type_name("N")
      ->group(group);
  command_
      ->add_option("--lengths", options_.lengths,
                   "Tokens at which to calibrate [those of 64,128,256,512 that the model reads]")
      ->type_name("A,B,…")
      ->take_all()
      ->allow_extra_args(false)
      ->delimiter(',')
      ->group(group);
  command_->add_flag("--per-head", options_.per_head, "A scale for each head of a layer")->group(group);
  command_->add_option("--sample", options_.sample, "Maximum number of texts [8]")->type_name("N")->group(group);
  command_->add_option("--seed", options_.seed, "Of the sample [1]")->type_name("N")->group(group);
  command_->add_flag("--force", force_, "Overwrite an existing profile")->group(group);
  model_.add_to(*command_);
  input_.add_to(*command_);
  command_->footer(kCalibrateExamples);
}

Existing CalibrateCommand::check_output(const InputPlan& plan) const {
  const Existing existing = force_ ? Existing::replace : Existing::refuse;
  FileRoles roles;
  roles.reads(plan);
  roles.reads_model(model_.options.model);
  roles.writes(output_, "-o");
  roles.check();
  if (output_ != "-") check_writable(output_, existing);
  check_stdout();
  return existing;
}

int CalibrateCommand::run() const {
  input_.check_given();
  const InputPlan plan = input_.plan();
  const Existing existing = check_output(plan);
  const SentenceEncoder encoder = model_.load();
  const AllTexts texts = read_all_texts(plan, input_.resolve());
  CalibrateOptions options = options_;
  options.match = match_ == "filter-rate" ? CalibrationTarget::filter_rate : CalibrationTarget::entropy;
  if (is_interactive(STDERR_FILENO)) options.progress = draw_progress;
  const Calibration result = calibrate(encoder, texts.views, options);
  const bool to_stdout = output_ == "-";
  const std::string remarks = misses(result.unreached, options.per_head) + flattening(result.profile);
  if (to_stdout) {
    say(scales_table(result.profile) + remarks);
    print_out(to_json(result.profile));
    return 0;
  }
  write_whole_file(output_, to_json(result.profile), existing);
  say(remarks);
  say("done: {} from {}; use it with --temperature match:{}\n", output_, counted(result.texts, "text"), output_);
  print_out(scales_table(result.profile));
  return 0;
}

}  // namespace treble::cli
