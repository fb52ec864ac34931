#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/json_text.h"
#include "treble/passkey.h"

namespace treble {

namespace {

using Json = nlohmann::ordered_json;

double share(std::int64_t right, std::int64_t samples) {
  return samples == 0 ? 0 : static_cast<double>(right) / static_cast<double>(samples);
}

Json column_json(const PasskeyColumn& column) {
  return {{"length", column.length},
          {"tokens", column.tokens},
          {"fillers", column.fillers},
          {"right", column.right},
          {"samples", column.samples}};
}

std::string map_table(const PasskeyMap& map) {
  std::string out = fmt::format("state: {}\n{:>9}", map.state, "depth");
  for (const PasskeyColumn& column : map.columns) out += fmt::format("{:>8}", column.length);
  const std::size_t rows = map.columns.empty() ? 0 : map.columns.front().right.size();
  for (std::size_t row = 0; row < rows; ++row) {
    const double depth = 100 * static_cast<double>(row) / static_cast<double>(rows);
    out += fmt::format("\n{:>7.0f} %", depth);
    for (const PasskeyColumn& column : map.columns) {
      out += fmt::format("{:>8.0f}", 100 * share(column.right[row], column.samples[row]));
    }
  }
  out += fmt::format("\n{:>9}", "all");
  for (const PasskeyColumn& column : map.columns) {
    std::int64_t right = 0;
    std::int64_t samples = 0;
    for (std::size_t row = 0; row < rows; ++row) {
      right += column.right[row];
      samples += column.samples[row];
    }
    out += fmt::format("{:>8.0f}", 100 * share(right, samples));
  }
  return out + "\n";
}

}  // namespace

std::string to_json(const PasskeyReport& report) {
  Json json = {{"kind", "passkey"},
               {"schema", "treble.passkey/1"},
               {"treble", report.treble_version},
               {"model", report.model},
               {"weights_sha256", report.weights_sha256},
               {"samples", report.samples},
               {"digits", report.digits},
               {"new_tokens", report.new_tokens},
               {"seed", report.seed},
               {"prompt",
                {{"prefix", report.prompt.prefix},
                 {"filler", report.prompt.filler},
                 {"passkey", report.prompt.passkey},
                 {"question", report.prompt.question}}},
               {"maps", Json::array()}};
  for (const PasskeyMap& map : report.maps) {
    Json columns = Json::array();
    for (const PasskeyColumn& column : map.columns) columns.push_back(column_json(column));
    json["maps"].push_back({{"state", map.state}, {"columns", std::move(columns)}});
  }
  return internal::json_text(json, 1) + '\n';
}

std::string to_json(const PerplexityReport& report) {
  Json json = {{"kind", "perplexity"},
               {"schema", "treble.perplexity/1"},
               {"treble", report.treble_version},
               {"model", report.model},
               {"weights_sha256", report.weights_sha256},
               {"prompt", report.prompt},
               {"tokens", report.tokens},
               {"states", report.states},
               {"ranges", Json::array()}};
  for (const PerplexityRange& range : report.ranges) {
    json["ranges"].push_back({{"begin", range.begin}, {"end", range.end}, {"perplexity", range.perplexity}});
  }
  return internal::json_text(json, 1) + '\n';
}

std::string to_table(const PasskeyReport& report) {
  std::string out = fmt::format(
      "{}: passkeys of {} digits found, percent of {} prompts; a column a length in tokens, a row a depth (0: the "
      "beginning)\n",
      report.model, report.digits, report.samples);
  for (const PasskeyMap& map : report.maps) out += fmt::format("\n{}", map_table(map));
  return out;
}

std::string to_table(const PerplexityReport& report) {
  std::string out = fmt::format("{}: perplexity of the next token by position, prompt \"{}\" of {} tokens\n\n{:>15}",
                                report.model, report.prompt, report.tokens, "tokens");
  for (const std::string& state : report.states) out += fmt::format("  {:>16}", state);
  for (const PerplexityRange& range : report.ranges) {
    out += fmt::format("\n{:>15}", fmt::format("{}–{}", range.begin, range.end - 1));
    for (const double perplexity : range.perplexity) out += fmt::format("  {:>16.4g}", perplexity);
  }
  return out + "\n";
}

}  // namespace treble
