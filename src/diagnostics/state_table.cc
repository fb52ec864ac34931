#include "diagnostics/state_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <optional>

namespace treble::internal {

namespace {

/// The last position that is at most `tokens`.
std::optional<std::size_t> position_at(const StateReport& states, std::int64_t tokens) {
  const auto after = std::upper_bound(states.positions.begin(), states.positions.end(), tokens);
  if (after == states.positions.begin()) return std::nullopt;
  return static_cast<std::size_t>(after - states.positions.begin()) - 1;
}

std::string retention(const StateHead& head, std::optional<std::size_t> position) {
  return position ? fmt::format("{:.2g}", head.at[*position].retention) : std::string("-");
}

const StateHead& head_of(const StateReport& states, const StateLayer& layer) {
  return *std::find_if(states.heads.begin(), states.heads.end(), [&](const StateHead& head) {
    return head.setting == layer.setting && head.layer == layer.layer && head.head == layer.worst_head;
  });
}

void append_row(const StateReport& states, const StateLayer& layer, std::string& out) {
  const StateHead& head = head_of(states, layer);
  const auto trained = position_at(states, states.training_length.value_or(0));
  const auto ratio = [](const std::optional<StateGrowth>& growth, double StateGrowth::* value) {
    return growth ? fmt::format("{:.3g}", *growth.*value) : std::string("-");
  };
  std::string collapse = "-";
  if (head.growth && head.growth->collapse) collapse = std::to_string(head.growth->collapse.value());
  out += fmt::format("  {:<8}{:<6}{:<14}{:<13.3g}{:<11}{:<11}{:<12}{}\n", layer.layer, head.head, collapse,
                     head.at.back().variance, ratio(head.growth, &StateGrowth::last),
                     ratio(head.growth, &StateGrowth::largest), retention(head, trained),
                     retention(head, states.positions.size() - 1));
}

std::string range_of_texts(const StateReport& states) {
  const auto [fewest, most] = std::minmax_element(states.texts.begin(), states.texts.end());
  return *fewest == *most ? fmt::format("{}", *most) : fmt::format("{}, {} at the end", *most, *fewest);
}

}  // namespace

std::string state_table(const CollapseReport& report) {
  if (!report.states || report.states->positions.empty()) return {};
  const StateReport& states = *report.states;
  std::string out = fmt::format(
      "\nStates, the worst head of each layer: the token from which on its variance is above {:.0f} times its\n"
      "maximum within the training length ({}); its variance at the end ({} tokens); multiples of\n"
      "that maximum at the end and at most; what is kept of the first token; texts: {}\n",
      kStateCollapseRatio,
      states.training_length ? fmt::format("{} tokens", *states.training_length) : std::string("unknown"),
      states.positions.back(), range_of_texts(states));
  for (const StateFinding& finding : states.findings) {
    out += fmt::format("  {}\n  {:<8}{:<6}{:<14}{:<13}{:<11}{:<11}{:<12}{}\n",
                       report.settings[static_cast<std::size_t>(finding.setting)], "layer", "head", "collapse from",
                       "variance", "x at end", "x at most", "kept, train", "kept, end");
    for (const StateLayer& layer : states.layers) {
      if (layer.setting == finding.setting) append_row(states, layer, out);
    }
  }
  return out;
}

}  // namespace treble::internal
