// The report's forms for people and machines.
#include "treble/collapse_report.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

namespace treble {

namespace {

using Json = nlohmann::ordered_json;

Json to_json(const CosineEstimate& estimate) {
  Json json = {{"texts", estimate.texts}, {"pairs", estimate.pairs}};
  if (estimate.pairs == 0) return json;
  json["mean"] = estimate.mean;
  json["low"] = estimate.low;
  json["high"] = estimate.high;
  return json;
}

Json to_json(const std::vector<std::vector<CosineEstimate>>& table) {
  Json json = Json::array();
  for (const auto& row : table) {
    Json cells = Json::array();
    for (const auto& estimate : row) cells.push_back(to_json(estimate));
    json.push_back(std::move(cells));
  }
  return json;
}

std::string cell(const CosineEstimate& estimate) {
  if (estimate.pairs == 0) return "–";
  return fmt::format("{:.3f} [{:.3f}, {:.3f}]", estimate.mean, estimate.low, estimate.high);
}

/// A terminal column is counted in characters, and "–" is three bytes.
std::string pad(const std::string& text, std::size_t width) {
  std::size_t characters = 0;
  for (const char c : text) characters += (static_cast<unsigned char>(c) & 0xC0U) != 0x80U ? 1 : 0;
  return text + std::string(width > characters ? width - characters : 0, ' ');
}

constexpr std::size_t kLabelWidth = 14;
constexpr std::size_t kCountWidth = 16;
constexpr std::size_t kCellWidth = 24;

void append_header(const CollapseReport& report, const char* label, const char* counts, std::string& out) {
  out += "  " + pad(label, kLabelWidth) + pad(counts, kCountWidth);
  for (const auto& temperature : report.temperatures) out += pad("tau = " + temperature, kCellWidth);
  out.erase(out.find_last_not_of(' ') + 1);
  out += '\n';
}

void append_row(const std::string& label, const std::string& counts,
                const std::vector<std::vector<CosineEstimate>>& table, std::size_t column, std::string& out) {
  out += "  " + pad(label, kLabelWidth) + pad(counts, kCountWidth);
  for (const auto& row : table) out += pad(cell(row[column]), kCellWidth);
  out.erase(out.find_last_not_of(' ') + 1);
  out += '\n';
}

}  // namespace

std::string to_json(const CollapseReport& report) {
  Json buckets = Json::array();
  for (const auto& bucket : report.buckets) {
    buckets.push_back(
        {{"min_tokens", bucket.min_tokens}, {"max_tokens", bucket.max_tokens}, {"texts_seen", bucket.texts_seen}});
  }
  const Json json = {{"model", report.model},
                     {"baked_temperature", report.baked_temperature.empty() ? Json() : Json(report.baked_temperature)},
                     {"verdict", report.verdict},
                     {"temperatures", report.temperatures},
                     {"texts", report.texts},
                     {"truncated_texts", report.truncated_texts},
                     {"max_length", report.max_length},
                     {"buckets", std::move(buckets)},
                     {"bucket_cosine", to_json(report.bucket_cosine)},
                     {"cut_lengths", report.cut_lengths},
                     {"cut_texts", report.cut_texts},
                     {"cut_cosine", to_json(report.cut_cosine)},
                     {"seed", report.seed}};
  return json.dump(2);
}

std::string to_table(const CollapseReport& report) {
  std::string out = fmt::format("{}: {} texts", report.model, report.texts);
  if (report.truncated_texts > 0) {
    out += fmt::format(", {} of them longer than the {} tokens the model reads", report.truncated_texts,
                       report.max_length);
  }
  if (!report.baked_temperature.empty()) {
    out +=
        fmt::format("; temperature {} is in the weights, and tau = 1 is the model as baked", report.baked_temperature);
  }
  out += "\n\nMean cosine between different texts of one length (95 % bootstrap interval; lower is better spread)\n";
  append_header(report, "tokens", "sampled/seen", out);
  for (std::size_t bucket = 0; bucket < report.buckets.size(); ++bucket) {
    const auto& range = report.buckets[bucket];
    append_row(fmt::format("{}–{}", range.min_tokens, range.max_tokens),
               fmt::format("{}/{}", report.bucket_cosine.front()[bucket].texts, range.texts_seen), report.bucket_cosine,
               bucket, out);
  }
  if (report.cut_lengths.empty()) {
    out += "\nNo two texts are long enough to be cut at different lengths.\n";
    return out;
  }
  out += fmt::format("\nThe same {} texts cut at each length: topic held, length changed\n", report.cut_texts);
  append_header(report, "cut at", "texts", out);
  for (std::size_t cut = 0; cut < report.cut_lengths.size(); ++cut) {
    append_row(fmt::format("{}", report.cut_lengths[cut]), fmt::format("{}", report.cut_texts), report.cut_cosine, cut,
               out);
  }
  return out;
}

}  // namespace treble
