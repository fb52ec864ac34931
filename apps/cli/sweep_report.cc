#include "sweep_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <numeric>
#include <span>
#include <utility>

#include "output/metadata.h"
#include "treble/version.h"

namespace treble::cli {

namespace {

/// Fewer items give a number that says nothing.
constexpr std::size_t kEnoughItems = 10;
constexpr std::int64_t kShortTokens = 64;

std::vector<std::size_t> items_between(const SweepTask& task, std::int64_t least, std::int64_t most) {
  std::vector<std::size_t> items;
  for (std::size_t item = 0; item < task.items(); ++item) {
    if (task.lengths()[item] >= least && task.lengths()[item] <= most) items.push_back(item);
  }
  return items;
}

std::vector<SweepBucket> make_buckets(const SweepTask& task, std::size_t settings, const ItemMetric& metric,
                                      const JudgeOptions& options) {
  HeldOutOptions values_only = options.held_out;
  values_only.resamples = 0;
  std::vector<SweepBucket> buckets;
  std::int64_t first = 0;
  std::vector<std::int64_t> ends = options.edges;
  ends.push_back(*std::max_element(task.lengths().begin(), task.lengths().end()));
  for (const std::int64_t end : ends) {
    if (end < first) continue;
    const auto items = items_between(task, first, end);
    if (!items.empty()) {
      SweepBucket& bucket = buckets.emplace_back(SweepBucket{first, end, items.size(), {}});
      bool defined = true;
      for (std::size_t s = 0; s < settings; ++s) defined = defined && metric(s, items).has_value();
      const bool enough = items.size() >= kEnoughItems;
      if (defined) bucket.settings = judge_settings(items, settings, metric, enough ? options.held_out : values_only);
    }
    first = end + 1;
  }
  return buckets;
}

/// Metrics are shares of 1; people speak of points.
std::string points(double value) { return fmt::format("{:+.2f}", 100 * value); }

std::string interval(const Interval& i) {
  if (!i.has_width()) return points(i.value) + " [no variance]";
  return fmt::format("{} [{}, {}]", points(i.value), points(i.low), points(i.high));
}

/// "0.8 in 3 of 5 folds, 1 in 2".
std::string title(const SweepSetting& setting) {
  const bool only_temperature = !setting.post && !setting.chunks && setting.variant == 0;
  return only_temperature ? "temperature " + setting.name() : setting.name();
}

std::string choices(const SweepReport& report) {
  std::map<std::size_t, int> counts;
  for (const std::size_t setting : report.result.chosen) ++counts[setting];
  std::string text;
  for (const auto& [setting, count] : counts) {
    text += fmt::format("{}{} in {} of {} folds", text.empty() ? "" : ", ", title(report.settings[setting]), count,
                        report.folds);
  }
  return text;
}

Json optional_number(const std::optional<double>& value) { return value ? Json(*value) : Json(); }

/// "no_variance" says that the interval has no width because no resample strays, not because of many items.
Json interval_json(const Interval& i) {
  return {{"value", i.value}, {"low", i.low}, {"high", i.high}, {"no_variance", !i.has_width()}};
}

Json prompt_json(const SweepPrompt& prompt) {
  return {{"name", prompt.name ? Json(*prompt.name) : Json()}, {"text", prompt.text.value_or("")}};
}

Json bucket_json(const SweepBucket& bucket, std::size_t settings) {
  Json values = Json::array();
  Json gains = Json::array();
  for (std::size_t s = 0; s < settings; ++s) {
    const bool defined = !bucket.settings.empty();
    values.push_back(defined ? Json(bucket.settings[s].value) : Json());
    gains.push_back(defined && bucket.items >= kEnoughItems ? interval_json(bucket.settings[s].gain) : Json());
  }
  return {{"min_tokens", bucket.min_tokens},
          {"max_tokens", bucket.max_tokens},
          {"items", bucket.items},
          {"values", values},
          {"gains", gains}};
}

Json setting_json(const SweepReport& report, std::size_t s) {
  Json others = Json::object();
  for (const auto& [name, value] : report.others[s]) others[name] = value;
  const SweepSetting& setting = report.settings[s];
  return {{"name", setting.name()},
          {"temperature", setting.temperature.to_string()},
          {"temperature_canonical", setting.temperature.canonical()},
          {"post", setting.post     ? Json(setting.post->to_string())
                   : setting.chunks ? Json(setting.chunks->to_string())
                                    : Json()},
          {"model_form", setting.variant_name.empty() ? Json() : Json(setting.variant_name)},
          {"value", report.result.settings[s].value},
          {"gain", interval_json(report.result.settings[s].gain)},
          {"others", others},
          {"overlap", optional_number(report.overlap[s])},
          {"short_overlap", optional_number(report.short_overlap[s])}};
}

}  // namespace

SweepPrompt prompt_in_force(const SweepPrompt& prompt, const ModelInfo& model, const EncodeOptions& options) {
  const bool own = prompt.name || prompt.text;
  if (const auto& text = own ? prompt.text : options.prompt; text) return {.name = {}, .text = text};
  const std::string name = (own ? prompt.name : options.prompt_name).value_or(model.default_prompt_name);
  const auto found = model.prompts.find(name);
  if (found == model.prompts.end()) return {.name = {}, .text = ""};
  return {.name = name, .text = found->second};
}

void fill_report(SweepReport& report, const SweepTask& task, const JudgeOptions& options) {
  report.metric = task.metric_name();
  report.items = task.items();
  report.folds = options.held_out.folds;
  report.seed = options.held_out.seed;
  const std::size_t count = report.settings.size();
  const ItemMetric metric = [&](std::size_t setting, std::span<const std::size_t> items) {
    options.check_stop();
    return task.metric(setting, items);
  };
  report.result = hold_out(task.items(), count, metric, options.held_out);
  report.buckets = make_buckets(task, count, metric, options);
  std::vector<std::size_t> all(task.items());
  std::iota(all.begin(), all.end(), 0);
  const auto brief = items_between(task, 0, kShortTokens);
  for (std::size_t s = 0; s < count; ++s) {
    report.others.push_back(task.other_metrics(s));
    report.overlap.push_back(task.ranks() ? std::optional(task.overlap(s, all)) : std::nullopt);
    report.short_overlap.push_back(task.ranks() && !brief.empty() ? std::optional(task.overlap(s, brief))
                                                                  : std::nullopt);
  }
}

std::string sweep_verdict(const SweepReport& report) {
  std::string text = report.labelled
                         ? ""
                         : "A proxy without labels (first halves of texts finding their second halves), so no proof: ";
  const Interval& gain = report.result.gain;
  const std::string numbers =
      fmt::format("{} points of {} on held-out data (95 % interval), the best elsewhere being {}", interval(gain),
                  report.metric, choices(report));
  switch (benefit_of(report.result)) {
    case Benefit::helps: text += "It helps: " + numbers + "."; break;
    case Benefit::harms: text += "It does harm: " + numbers + ". Stay with the untouched model."; break;
    case Benefit::none: text += "No benefit: " + numbers + ". Stay with the untouched model."; break;
  }
  if (!gain.has_width()) text += " The interval has no width, as no resample of the items changes the gain.";
  return text + fmt::format(" {} items, {} settings.", report.items, report.settings.size());
}

namespace {

/// A line a setting, a column a bucket.
std::string bucket_table(const SweepReport& report) {
  std::string out = fmt::format("\n  {:<18}", "tokens");
  for (const SweepBucket& bucket : report.buckets) {
    out += fmt::format("{:>11}", fmt::format("{}–{}", bucket.min_tokens, bucket.max_tokens));
  }
  out += fmt::format("\n  {:<18}", "items");
  for (const SweepBucket& bucket : report.buckets) out += fmt::format("{:>11}", bucket.items);
  out += '\n';
  for (std::size_t s = 0; s < report.settings.size(); ++s) {
    out += fmt::format("  {:<18}", report.settings[s].name());
    for (const SweepBucket& bucket : report.buckets) {
      out += bucket.items < kEnoughItems || bucket.settings.empty()
                 ? fmt::format("{:>11}", "–")
                 : fmt::format("{:>11.4f}", bucket.settings[s].value);
    }
    out += '\n';
  }
  return out;
}

}  // namespace

std::string sweep_table(const SweepReport& report) {
  std::string out =
      fmt::format("{}: {} on {}, {} similarity, temperature on {}\n\n", report.model, report.metric, report.data,
                  report.similarity, report.side == "both" ? "all texts" : report.side + " texts only");
  out += fmt::format("  {:<18}{:>9}   {:<26}{:>10}{:>8}\n", "setting", report.metric, "gain over 1, points", "same 10",
                     "short");
  for (std::size_t s = 0; s < report.settings.size(); ++s) {
    const auto share = [](const std::optional<double>& value) {
      return value ? fmt::format("{:.0f} %", 100 * *value) : std::string("–");
    };
    out += fmt::format("  {:<18}{:>9.4f}   {:<26}{:>10}{:>8}\n", report.settings[s].name(),
                       report.result.settings[s].value, s == 0 ? "" : interval(report.result.settings[s].gain),
                       share(report.overlap[s]), share(report.short_overlap[s]));
  }
  out +=
      "  Gains on all data, 95 % intervals for all settings at once (max-T bootstrap). same 10: places among the "
      "first\n"
      "  ten that the untouched model fills too; short: for texts of up to 64 tokens. Fitted steps saw no label.\n";
  if (report.queries_apart > 0) {
    out += fmt::format("  {} more with nothing to find stand apart, in no average.\n", report.queries_apart);
  }
  for (const std::string& reason : report.left_out) out += "  left out: " + reason + "\n";
  return out + bucket_table(report);
}

std::string sweep_json(const SweepReport& report) {
  Json settings = Json::array();
  for (std::size_t s = 0; s < report.settings.size(); ++s) settings.push_back(setting_json(report, s));
  Json buckets = Json::array();
  for (const SweepBucket& bucket : report.buckets) buckets.push_back(bucket_json(bucket, report.settings.size()));
  Json chosen = Json::array();
  for (const std::size_t s : report.result.chosen) chosen.push_back(report.settings[s].name());
  constexpr std::array<const char*, 3> kBenefits = {"none", "helps", "harms"};
  return dump({{"kind", "sweep"},
               {"treble_version", std::string(version())},
               {"model", report.model},
               {"provenance", report.provenance},
               {"form_provenance", report.form_provenance},
               {"data", report.data},
               {"labelled", report.labelled},
               {"metric", report.metric},
               {"side", report.side},
               {"similarity", report.similarity},
               {"query_prompt", prompt_json(report.query_prompt)},
               {"document_prompt", prompt_json(report.document_prompt)},
               {"ignore_identical_ids", report.ignores_identical_ids},
               {"queries_apart", report.queries_apart},
               {"notes", report.notes},
               {"items", report.items},
               {"folds", report.folds},
               {"seed", report.seed},
               {"verdict", sweep_verdict(report)},
               {"benefit", kBenefits[static_cast<std::size_t>(benefit_of(report.result))]},
               {"held_out_gain", interval_json(report.result.gain)},
               {"chosen", chosen},
               {"settings", settings},
               {"left_out", report.left_out},
               {"buckets", buckets}},
              2) +
         "\n";
}

}  // namespace treble::cli
