#include "diagnostics/advice.h"

#include <fmt/format.h>

#include <string_view>

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
      100 * unread, report.truncated_texts, report.texts, report.max_length, report.max_length);
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
  if (unread >= kSubstantialShare) advice.push_back(about_unread(report, unread));
  if (report.num_states > 0) {
    const auto of_states = state_advice(report);
    advice.insert(advice.end(), of_states.begin(), of_states.end());
  } else if (report.findings.compared) {
    advice.emplace_back(about_temperature(report));
  }
  return advice;
}

}  // namespace treble::internal
