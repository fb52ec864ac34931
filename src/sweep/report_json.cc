#include <nlohmann/json.hpp>
#include <string>

#include "base/json_text.h"
#include "sweep/judge.h"
#include "treble/report_page.h"
#include "treble/sweep.h"
#include "treble/version.h"

namespace treble {

using namespace internal;

namespace {

using Json = nlohmann::ordered_json;

Json optional_number(const std::optional<double>& value) { return value ? Json(*value) : Json(); }

/// "no_variance" says that the interval has no width because no resample deviates, not because of many items.
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

Json reading_json(const SweepReading& r) {
  return {{"texts", r.texts}, {"cut", r.cut}, {"tokens", r.tokens}, {"read", r.read}, {"unread", r.unread()}};
}

/// Of the untouched model.
Json first_reading(const std::vector<SweepReading>& readings) {
  return readings.empty() ? Json() : reading_json(readings.front());
}

Json gain_json(const SweepReport& report, const HeldOutGain& gain) {
  Json chosen = Json::array();
  for (const std::size_t s : gain.chosen) chosen.push_back(report.settings[s].name());
  Json json = interval_json(gain.gain);
  json["never_chosen"] = gain.chosen == gain.against;
  json["detectable"] = gain.detectable;
  json["chosen"] = std::move(chosen);
  return json;
}

Json axes_json(const SweepReport& report) {
  Json axes = Json::array();
  for (const SweepAxis& axis : report.axes) {
    axes.push_back({{"name", axis.name},
                    {"settings", axis.settings},
                    {"alone", gain_json(report, axis.alone)},
                    {"added", gain_json(report, axis.added)}});
  }
  return axes;
}

Json setting_json(const SweepReport& report, std::size_t s) {
  Json others = Json::object();
  for (const auto& [name, value] : report.other_metrics[s]) others[name] = value;
  const SweepSetting& setting = report.settings[s];
  const double value = report.held_out.settings[s].value;
  const bool per_item = !report.better_and_worse.empty();
  return {{"name", setting.name()},
          {"temperature", setting.temperature.to_string()},
          {"temperature_canonical", setting.temperature.canonical()},
          {"state", setting.state.to_string()},
          {"state_canonical", setting.state.canonical()},
          {"post", setting.post     ? Json(setting.post->to_string())
                   : setting.chunks ? Json(setting.chunks->to_string())
                                    : Json()},
          {"max_length", setting.max_length ? Json(*setting.max_length) : Json()},
          {"model_form", setting.variant.empty() ? Json() : Json(setting.variant)},
          {"value", value},
          {"relative_change", optional_number(relative_change(value, report.held_out.settings.front().value))},
          {"better", per_item ? Json(report.better_and_worse[s].first) : Json()},
          {"worse", per_item ? Json(report.better_and_worse[s].second) : Json()},
          {"gain", interval_json(report.held_out.settings[s].gain)},
          {"others", others},
          {"overlap", optional_number(report.overlap[s])},
          {"short_overlap", optional_number(report.short_overlap[s])},
          {"documents_unread", report.documents_read[s].unread()},
          {"queries_unread", report.queries_read.empty() ? Json() : Json(report.queries_read[s].unread())}};
}

}  // namespace

std::string to_json(const SweepReport& report) {
  Json settings = Json::array();
  for (std::size_t s = 0; s < report.settings.size(); ++s) settings.push_back(setting_json(report, s));
  Json buckets = Json::array();
  for (const SweepBucket& bucket : report.buckets) buckets.push_back(bucket_json(bucket, report.settings.size()));
  Json chosen = Json::array();
  for (const std::size_t s : report.held_out.chosen) chosen.push_back(report.settings[s].name());
  Json variants = Json::object();
  for (const auto& [name, provenance] : report.variant_provenance) variants[name] = parse_ordered(provenance);
  const Json json = {{"kind", "sweep"},
                     {"treble_version", std::string(version())},
                     {"model", report.model},
                     {"provenance", parse_ordered(report.provenance)},
                     {"form_provenance", variants},
                     {"data", report.data},
                     {"labelled", report.labelled},
                     {"metric", report.metric},
                     {"side", to_string(report.side)},
                     {"similarity", report.max_sim ? "maxsim" : to_string(report.similarity)},
                     {"query_prompt", prompt_json(report.query_prompt)},
                     {"document_prompt", prompt_json(report.document_prompt)},
                     {"ignore_identical_ids", report.ignore_identical_ids},
                     {"queries_apart", report.queries_left_out},
                     {"queries_without_document", report.queries_without_document},
                     {"documents_read", first_reading(report.documents_read)},
                     {"queries_read", first_reading(report.queries_read)},
                     {"notes", report.notes},
                     {"advice", report.advice},
                     {"items", report.items},
                     {"folds", report.held_out.folds},
                     {"deals", report.held_out.deals},
                     {"units", report.held_out.units},
                     {"resamples", report.resamples},
                     {"seed", report.seed},
                     {"verdict", report.verdict},
                     {"benefit", to_string(benefit_of(report.held_out))},
                     {"held_out_gain", interval_json(report.held_out.gain)},
                     {"detectable_gain", report.held_out.detectable},
                     {"chosen", chosen},
                     {"winner", report.settings[report.winner].name()},
                     {"embed_arguments", report.embed_arguments},
                     {"commands", report.commands},
                     {"axes", axes_json(report)},
                     {"settings", settings},
                     {"left_out", report.skipped},
                     {"buckets", buckets}};
  // Paths and prompts need not be UTF-8: what is not becomes U+FFFD.
  return json_text(json, 2) + "\n";
}

std::string to_html(const SweepReport& report) { return report_page(to_json(report)); }

}  // namespace treble
