// The report for machines, and for the page that draws it.
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/json_text.h"
#include "treble/collapse_report.h"
#include "treble/version.h"

namespace treble {

namespace {

using Json = nlohmann::ordered_json;

/// Six digits carry every measure here; a page of thousands of numbers is the smaller for it.
Json number(double value) {
  if (!std::isfinite(value)) return {};
  if (value == 0) return 0.0;
  const double scale = std::pow(10.0, 5 - std::floor(std::log10(std::abs(value))));
  return std::isfinite(scale) ? Json(std::round(value * scale) / scale) : Json(value);
}

template <typename T>
Json optional(const std::optional<T>& value) {
  return value ? number(*value) : Json();
}

/// [item…] of anything that `form` turns into JSON.
template <typename Items, typename Form>
Json array(const Items& items, const Form& form) {
  Json json = Json::array();
  for (const auto& item : items) json.push_back(form(item));
  return json;
}

Json form(const CosineEstimate& estimate) {
  const bool any = estimate.pairs > 0;
  return {{"texts", estimate.texts},
          {"pairs", estimate.pairs},
          {"mean", any ? number(estimate.mean) : Json()},
          {"low", any ? number(estimate.low) : Json()},
          {"high", any ? number(estimate.high) : Json()}};
}

Json form(const GeometryEstimate& estimate) {
  return {{"effective_rank", number(estimate.effective_rank)},
          {"isoscore", number(estimate.isoscore)},
          {"uniformity", number(estimate.uniformity)},
          {"spectrum", array(estimate.spectrum, number)}};
}

Json form(const TokenSpread& spread) {
  const bool any = spread.vectors > 0;
  return {{"vectors", spread.vectors},
          {"effective_rank", any ? number(spread.effective_rank) : Json()},
          {"isoscore", any ? number(spread.isoscore) : Json()}};
}

Json form(const HubnessEstimate& estimate) {
  const bool any = estimate.texts > 0;
  return {{"texts", estimate.texts},
          {"mean", any ? number(estimate.mean) : Json()},
          {"skewness", any ? number(estimate.skewness) : Json()},
          {"share_of_antihubs", any ? number(estimate.antihub_share) : Json()}};
}

Json form(const SlopeEstimate& estimate) {
  const bool any = estimate.queries > 0;
  return {{"queries", estimate.queries},
          {"documents", estimate.documents},
          {"slope", any ? number(estimate.slope) : Json()},
          {"low", any ? number(estimate.low) : Json()},
          {"high", any ? number(estimate.high) : Json()}};
}

Json form(const AttentionEstimate& estimate) {
  return {{"setting", estimate.setting},
          {"layer", estimate.layer},
          {"head", estimate.head < 0 ? Json() : Json(estimate.head)},
          {"length", estimate.length},
          {"texts", estimate.texts},
          {"logit_std", number(estimate.logit_std)},
          {"entropy", number(estimate.entropy)},
          {"filter_rate", number(estimate.filter_rate)},
          {"bound", number(estimate.bound)},
          {"above_bound", number(estimate.above_bound)}};
}

Json form(const TokenEstimate& estimate) {
  return {{"setting", estimate.setting},
          {"layer", estimate.layer},
          {"length", estimate.length},
          {"hc_ratio", number(estimate.hc_ratio)},
          {"token_cosine", number(estimate.token_cosine)}};
}

Json form(const MapText& text) {
  const auto neighbor = [](const Neighbor& n) -> Json { return {{"i", n.index}, {"cosine", number(n.cosine)}}; };
  return {{"id", text.id},
          {"tokens", text.tokens},
          {"text", text.text},
          {"at", array(text.at, [](const auto& at) { return array(at, number); })},
          {"neighbors", array(text.neighbors, [&](const auto& list) { return array(list, neighbor); })}};
}

Json form(const CollapseFindings& findings) {
  return {{"compared", findings.compared},
          {"short_bucket", findings.compared ? Json(findings.short_bucket) : Json()},
          {"long_bucket", findings.compared ? Json(findings.long_bucket) : Json()},
          {"visible", findings.visible},
          {"ratio", optional(findings.ratio)},
          {"explained_by_length", optional(findings.explained_by_length)}};
}

Json form(const std::optional<Interval>& interval) {
  if (!interval) return {};
  return {{"value", number(interval->value)}, {"low", number(interval->low)}, {"high", number(interval->high)}};
}

Json whole_or_null(const std::optional<std::int64_t>& value) { return value ? Json(*value) : Json(); }

Json text_or_null(const std::string& text) { return text.empty() ? Json() : Json(text); }

Json form(const ClassEstimate& e) {
  return {{"setting", e.setting},
          {"layer", e.layer < 0 ? Json() : Json(e.layer)},
          {"bucket", e.bucket < 0 ? Json() : Json(e.bucket)},
          {"dim", e.dim},
          {"texts", e.texts},
          {"classes", e.classes},
          {"texts_left_out", e.texts_left_out},
          {"reason", text_or_null(e.reason)},
          {"within", form(e.within)},
          {"between", form(e.between)},
          {"nc1_traces", form(e.nc1_traces)},
          {"nc1", form(e.nc1)},
          {"nc2", form(e.nc2)},
          {"spectral_resamples", e.spectral_resamples},
          {"held_out_texts", e.held_out_texts},
          {"accuracy", form(e.accuracy)},
          {"probe_accuracy", form(e.probe_accuracy)},
          {"agreement", form(e.agreement)}};
}

Json form(const std::optional<StateGrowth>& growth) {
  if (!growth) return {};
  return {{"trained_variance", number(growth->trained_variance)},
          {"largest", number(growth->largest)},
          {"last", number(growth->last)},
          {"collapse", whole_or_null(growth->collapse)}};
}

Json form(const StateHead& head) {
  const auto curve = [&](double StateEstimate::* measure) {
    return array(head.at, [&](const StateEstimate& estimate) { return number(estimate.*measure); });
  };
  return {{"setting", head.setting},
          {"layer", head.layer},
          {"head", head.head},
          {"mean", curve(&StateEstimate::mean)},
          {"variance", curve(&StateEstimate::variance)},
          {"rms", curve(&StateEstimate::rms)},
          {"retention", curve(&StateEstimate::retention)},
          {"growth", form(head.growth)}};
}

Json form(const StateLayer& layer) {
  return {{"setting", layer.setting},
          {"layer", layer.layer},
          {"worst_head", layer.worst_head},
          {"growth", form(layer.growth)}};
}

Json form(const StateFinding& finding) {
  return {{"setting", finding.setting},
          {"layer", finding.layer},
          {"head", finding.head},
          {"worst", form(finding.worst)},
          {"maximum", form(finding.maximum)},
          {"collapse", whole_or_null(finding.collapse)},
          {"collapsed_heads", finding.collapsed_heads}};
}

template <typename T>
Json table(const std::vector<std::vector<T>>& rows) {
  return array(rows, [](const auto& row) { return array(row, [](const T& cell) { return form(cell); }); });
}

template <typename T>
Json list(const std::vector<T>& items) {
  return array(items, [](const T& item) { return form(item); });
}

Json matrices(const CollapseReport& report) {
  return array(report.bucket_matrix, [](const auto& matrix) {
    return array(matrix, [](const auto& row) { return array(row, optional<double>); });
  });
}

Json form(const ClassFindings& findings) {
  const bool layers = findings.first_layer >= 0;
  return {{"first_layer", layers ? Json(findings.first_layer) : Json()},
          {"last_layer", layers ? Json(findings.last_layer) : Json()},
          {"tighter_by_layer", form(findings.tighter_by_layer)},
          {"tighter_by_temperature", list(findings.tighter_by_temperature)},
          {"accuracy_change", list(findings.accuracy_change)}};
}

Json form(const ClassMap& map) {
  const auto text = [](const ClassMapText& one) -> Json {
    return {{"id", one.id},
            {"label", one.label},
            {"tokens", one.tokens},
            {"text", one.text},
            {"at", array(one.at, [](const auto& at) { return array(at, number); })}};
  };
  return {{"axes", map.class_mean_axes ? "class means" : "texts"},
          {"explained", array(map.explained, [](const auto& shares) { return array(shares, number); })},
          {"texts", array(map.texts, text)}};
}

Json form(const std::optional<TokenVectorReport>& report) {
  if (!report) return {};
  return {{"dim", report->dim},
          {"max_sim_documents", report->max_sim_documents},
          {"token_cosine", table(report->token_cosine)},
          {"max_sim", table(report->max_sim)},
          {"spread", table(report->spread)},
          {"cut_token_cosine", table(report->cut_token_cosine)},
          {"cut_max_sim", table(report->cut_max_sim)}};
}

Json form(const std::optional<StateReport>& report) {
  if (!report) return {};
  return {{"positions", report->positions},
          {"texts", report->texts},
          {"training_length", whole_or_null(report->training_length)},
          {"training_length_source", text_or_null(report->training_length_source)},
          {"longest_text", report->longest_text},
          {"findings", list(report->findings)},
          {"layers", list(report->layers)},
          {"heads", list(report->heads)}};
}

Json form(const std::optional<ClassReport>& report) {
  if (!report) return {};
  const auto size = [](const ClassSize& one) -> Json { return {{"label", one.label}, {"texts", one.texts}}; };
  return {{"verdict", report->verdict},
          {"findings", form(report->findings)},
          {"labelled_texts", report->labelled_texts},
          {"unlabelled_texts", report->unlabelled_texts},
          {"unlabelled", report->unlabelled},
          {"sample", report->sample},
          {"resamples", report->resamples},
          {"pooling", report->pooling},
          {"classes", array(report->classes, size)},
          {"estimates", list(report->estimates)},
          {"map", form(report->map)}};
}

}  // namespace

std::string to_json(const CollapseReport& report) {
  const auto bucket = [](const LengthBucket& b) -> Json {
    return {{"min_tokens", b.min_tokens}, {"max_tokens", b.max_tokens}, {"texts_seen", b.texts_seen}};
  };
  const Json json = {
      {"kind", "inspect"},
      {"treble_version", version()},
      {"model", report.model},
      {"provenance", report.provenance.empty() ? Json() : internal::try_parse_ordered(report.provenance)},
      {"baked_temperature", report.baked_temperature.empty() ? Json() : Json(report.baked_temperature)},
      {"verdict", report.verdict},
      {"findings", form(report.findings)},
      {"advice", report.advice},
      {"settings", report.settings},
      {"num_temperatures", report.num_temperatures},
      {"temperatures_canonical", report.temperatures_canonical},
      {"num_states", report.num_states},
      {"states_canonical", report.states_canonical},
      {"texts", report.texts},
      {"truncated_texts", report.truncated_texts},
      {"max_length", report.max_length},
      {"position_limit", report.position_limit},
      {"extended_texts", report.extended_texts},
      {"text_tokens", report.text_tokens},
      {"read_tokens", report.read_tokens},
      {"seed", report.seed},
      {"sample", report.sample},
      {"buckets", array(report.buckets, bucket)},
      {"token_vectors", form(report.token_vectors)},
      {"bucket_cosine", table(report.bucket_cosine)},
      {"bucket_matrix", matrices(report)},
      {"cut_lengths", report.cut_lengths},
      {"shortest_cut_asked", report.shortest_cut_asked},
      {"cut_texts", report.cut_texts},
      {"cut_cosine", table(report.cut_cosine)},
      {"geometry", list(report.geometry)},
      {"hubness", {{"k", report.neighbors}, {"buckets", table(report.hubness)}}},
      {"query_length_slope", report.query_length_slope.empty() ? Json() : list(report.query_length_slope)},
      {"attention", list(report.attention)},
      {"tokens", list(report.tokens)},
      {"map",
       {{"explained", array(report.map.explained, [](const auto& shares) { return array(shares, number); })},
        {"texts", list(report.map.texts)}}},
      {"classes", form(report.classes)},
      {"states", form(report.states)}};
  return internal::json_text(json);
}

}  // namespace treble
