#include "calibrate_command.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "command_line.h"
#include "fail.h"
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

--state-norms is for models with states (Mamba-2): of each head the largest Frobenius norm that its state has within the
training length, the median over the texts. The texts must be as long as the training length.

Examples:
  export TREBLE_MODEL=models/all-MiniLM-L6-v2
  treble calibrate --lengths 64,128,256 corpus.jsonl -o profile.json
  treble embed -t match:profile.json corpus.jsonl -o tempered.npy
  treble calibrate -m models/mamba2 --state-norms --training-length 128 \
    long.jsonl -o norms.json
  treble inspect -m models/mamba2 --training-length 128 \
    --state norm:norms.json long.jsonl)";

constexpr std::size_t kMaxMisses = 12;
/// A scale below this is a change of direction and not the rounding of the search.
constexpr double kFlatter = 0.995;

void draw_progress(const treble::Progress& progress, const char* step) {
  say("\r{:3} % ({} {} of {}){}", 100 * progress.done / progress.total, step, progress.done, progress.total,
      progress.done == progress.total ? "\r\x1b[K" : "");
}

void draw_layers(const treble::Progress& progress) { draw_progress(progress, "layer"); }
void draw_texts(const treble::Progress& progress) { draw_progress(progress, "text"); }

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

/// A row a layer: the smallest and the largest of its heads.
std::string norms_table(const StateNorms& norms) {
  std::string out =
      "largest norm of the states within the training length\n  layer       smallest head   largest head\n";
  for (std::size_t layer = 0; layer < norms.max_norms.size(); ++layer) {
    const auto [low, high] = std::minmax_element(norms.max_norms[layer].begin(), norms.max_norms[layer].end());
    out += fmt::format("  {:<5}{:>20.4g}{:>15.4g}\n", layer, *low, *high);
  }
  return out;
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
  command_ = app.add_subcommand("calibrate", "Make a temperature profile, or norms of states, from unlabelled texts");
  const std::string group = "Calibrate";
  command_->add_option("-o,--output", output_, "The profile or norms to write; - is stdout")
      ->type_name("FILE.json")
      ->required()
      ->group(group);
  command_->add_flag("--state-norms", state_norms_, "Of Mamba-2: norms of its states, for --state norm:FILE.json")
      ->group(group);
  command_
      ->add_option("--training-length", training_length_,
                   "With --state-norms, tokens of the texts it was trained on [the limit that its files state]")
      ->type_name("N")
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
  command_->add_option("--sample", sample_, "Maximum number of texts [8, of norms 64]")->type_name("N")->group(group);
  command_->add_option("--seed", options_.seed, "Of the sample [1]")->type_name("N")->group(group);
  command_->add_flag("--force", force_, "Overwrite an existing file")->group(group);
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

/// Options that say something of one kind of file alone are not for the other.
void CalibrateCommand::check_mode() const {
  const std::vector<const char*> others = state_norms_
                                              ? std::vector{"--match", "--reference-length", "--lengths", "--per-head"}
                                              : std::vector{"--training-length"};
  for (const char* other : others) {
    if (command_->count(other) == 0) continue;
    fail(ErrorCode::invalid_argument, "{} {}", other,
         state_norms_ ? "is for a temperature profile, not for --state-norms" : "needs --state-norms");
  }
}

void CalibrateCommand::write(const std::string& json, const std::string& table, const std::string& remarks,
                             Existing existing) const {
  if (output_ == "-") {
    say(table + remarks);
    print_out(json);
    return;
  }
  write_whole_file(output_, json, existing);
  say(remarks);
  print_out(table);
}

void CalibrateCommand::make_profile(const SentenceEncoder& encoder, const std::vector<std::string_view>& texts,
                                    Existing existing) const {
  CalibrateOptions options = options_;
  options.match = match_ == "filter-rate" ? CalibrationTarget::filter_rate : CalibrationTarget::entropy;
  options.sample = sample_.value_or(options.sample);
  if (is_interactive(STDERR_FILENO)) options.progress = draw_layers;
  const Calibration result = calibrate(encoder, texts, options);
  std::string remarks = misses(result.unreached, options.per_head) + flattening(result.profile);
  if (output_ != "-") {
    remarks += fmt::format("done: {} from {}; use it with --temperature match:{}\n", output_,
                           counted(result.texts, "text"), output_);
  }
  write(to_json(result.profile), scales_table(result.profile), remarks, existing);
}

void CalibrateCommand::make_state_norms(const SentenceEncoder& encoder, const std::vector<std::string_view>& texts,
                                        Existing existing) const {
  StateNormsOptions options;
  options.training_length = training_length_;
  options.sample = sample_.value_or(options.sample);
  options.seed = options_.seed;
  if (is_interactive(STDERR_FILENO)) options.progress = draw_texts;
  const StateNorms norms = calibrate_state_norms(encoder, texts, options);
  std::string remarks;
  if (output_ != "-") {
    remarks = fmt::format("done: {} from {} of {} tokens; use it with --state norm:{}\n", output_,
                          counted(norms.texts, "text"), norms.tokens, output_);
  }
  write(to_json(norms), norms_table(norms), remarks, existing);
}

int CalibrateCommand::run() const {
  check_mode();
  input_.check_given();
  const InputPlan plan = input_.plan();
  const Existing existing = check_output(plan);
  const SentenceEncoder encoder = model_.load();
  const AllTexts texts = read_all_texts(plan, input_.resolve());
  if (state_norms_) {
    make_state_norms(encoder, texts.views, existing);
  } else {
    make_profile(encoder, texts.views, existing);
  }
  return 0;
}

}  // namespace treble::cli
