#include "diagnostics/advice.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>

#include "diagnostics/state_growth.h"

namespace treble::internal {

namespace {

/// Less is left out of most data and changes little.
constexpr double kSubstantialShare = 0.05;

std::string about_unread(const CollapseReport& report, double unread) {
  if (report.token_vectors) {
    return fmt::format(
        "{:.0f} % of the tokens are never read ({} of {} texts have more than {}): split such texts into documents of "
        "their own, or raise the limit as far as the model reads",
        100 * unread, report.truncated_texts, report.texts, report.max_length);
  }
  return fmt::format(
      "{:.0f} % of the tokens are never read ({} of {} texts have more than {}): encode such texts in pieces "
      "(post step chunk-mean:{}), which gained most on labelled sets of long texts (docs/evidence.md)",
      100 * unread, report.truncated_texts, report.texts, report.max_length,
      std::min(report.max_length, report.position_limit));
}

/// How far texts were read where both readings were compared.
constexpr std::int64_t kMeasuredReading = 2048;

/// Nothing where texts are read as far already.
std::optional<std::string> about_single_facts(const CollapseReport& report) {
  if (report.token_vectors || report.num_states > 0 || report.max_length >= kMeasuredReading) return std::nullopt;
  const std::string how = report.position_limit < kMeasuredReading
                              ? fmt::format("max_length {}, position extension recur", kMeasuredReading)
                              : fmt::format("max_length up to {}", report.position_limit);
  return fmt::format(
      "Where single facts are looked for in text that is otherwise alike, reading it in one piece gained more ({})",
      how);
}

/// `pieces`: whether they have been advised already.
std::string about_extension(const CollapseReport& report, bool pieces) {
  const std::string also = pieces ? std::string()
                                  : fmt::format("texts in pieces (post step chunk-mean:{}) gained more than that, and ",
                                                report.position_limit);
  return fmt::format(
      "{} of {} texts are read beyond the model's {} positions: {}a temperature of 0.8 gained there with "
      "all-MiniLM-L6-v2, though not with every model; judge it with `treble sweep` on labelled texts of this kind "
      "(docs/evidence.md)",
      report.extended_texts, report.texts, report.position_limit, also);
}

std::string_view about_temperature(const CollapseReport& report) {
  if (report.findings.visible && report.token_vectors) {
    return "A temperature below 1 spreads the token vectors of long texts, which need not make search better: judge it "
           "with `treble sweep` on rankings of this kind before using it (docs/evidence.md)";
  }
  if (report.findings.visible) {
    return "A temperature below 1 spreads long texts, which need not make search or classification better: judge it "
           "with `treble sweep` on labelled texts of this kind before using it (docs/evidence.md)";
  }
  return "Nothing here asks for a temperature: stay with 1, the model as trained";
}

}  // namespace

std::vector<std::string> collapse_advice(const CollapseReport& report) {
  std::vector<std::string> advice;
  const double unread = report.text_tokens > 0
                            ? 1 - static_cast<double>(report.read_tokens) / static_cast<double>(report.text_tokens)
                            : 0;
  const bool cut = unread >= kSubstantialShare;
  if (cut) {
    advice.push_back(about_unread(report, unread));
    if (auto facts = about_single_facts(report)) advice.push_back(*std::move(facts));
  }
  if (report.num_states > 0) {
    const auto of_states = state_advice(report);
    advice.insert(advice.end(), of_states.begin(), of_states.end());
  } else if (report.extended_texts > 0 && report.baked_temperature.empty() && !report.token_vectors) {
    advice.push_back(about_extension(report, cut));
  } else if (report.findings.compared) {
    advice.emplace_back(about_temperature(report));
  }
  return advice;
}

}  // namespace treble::internal
