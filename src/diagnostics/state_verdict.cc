// What a report says of states, in words.
#include <fmt/format.h>

#include <algorithm>
#include <cstddef>

#include "diagnostics/state_growth.h"

namespace treble::internal {

namespace {

/// "1,088".
std::string whole(std::int64_t number) {
  std::string digits = fmt::format("{}", number);
  for (auto at = std::ssize(digits) - 3; at > 0; at -= 3) digits.insert(static_cast<std::size_t>(at), 1, ',');
  return digits;
}

/// "37 times", "1.4 times".
std::string times(double ratio) {
  return ratio < 9.95 ? fmt::format("{:.1f} times", ratio) : fmt::format("{:.0f} times", ratio);
}

/// "layer 2, head 1".
std::string place(const StateFinding& finding) { return fmt::format("layer {}, head {}", finding.layer, finding.head); }

std::string trained(const StateReport& states) {
  return fmt::format("within the {} tokens of training", whole(states.training_length.value_or(0)));
}

std::string about_untouched(const StateReport& states) {
  const StateFinding& finding = states.findings.front();
  const StateGrowth worst = finding.worst.value_or(StateGrowth{});
  if (!finding.collapse) {
    return fmt::format(" States stay within {} their maximum variance {}, up to {} tokens ({}): no state collapse",
                       times(worst.largest), trained(states), whole(states.positions.back()), place(finding));
  }
  return fmt::format(
      " States grow from token {} on ({}: variance up to {} its maximum {}; {} of {} heads go beyond {:.0f} times)",
      whole(*finding.collapse), place(finding), times(worst.largest), trained(states), finding.collapsed_heads,
      std::count_if(states.heads.begin(), states.heads.end(), [](const StateHead& head) { return head.setting == 0; }),
      kStateCollapseRatio);
}

std::string about_control(const std::string& name, const StateFinding& finding) {
  if (!finding.worst) return {};
  if (finding.collapse) {
    return fmt::format("; with {} they grow from token {} on, up to {}", name, whole(*finding.collapse),
                       times(finding.worst->largest));
  }
  return fmt::format("; with {} they stay within {}", name, times(finding.worst->largest));
}

/// The compared control under which states grow least; nothing where none was compared or all collapse.
const StateFinding* best_control(const StateReport& states) {
  const StateFinding* best = nullptr;
  double least = 0;
  for (const StateFinding& finding : states.findings) {
    if (finding.setting == 0 || !finding.worst || finding.collapse) continue;
    if (best == nullptr || finding.worst->largest < least) {
      best = &finding;
      least = finding.worst->largest;
    }
  }
  return best;
}

bool can_be_judged(const StateReport& states) { return !states.findings.empty() && states.findings.front().worst; }

}  // namespace

std::string describe_states(const CollapseReport& report) {
  if (!report.states) return {};
  const StateReport& states = *report.states;
  if (states.positions.empty())
    return " No sampled text is long enough to look at its states: they are shown every 64 tokens.";
  if (!states.training_length) {
    return " Whether states grow beyond what the model was trained on cannot be told: how long its training texts were "
           "is "
           "unknown (--training-length N).";
  }
  if (states.positions.back() <= *states.training_length) {
    return fmt::format(
        " Whether states grow beyond the {} tokens of training cannot be told: the longest text that was looked at has "
        "{} tokens.",
        whole(states.training_length.value_or(0)), whole(states.longest_text));
  }
  if (!can_be_judged(states)) {
    return fmt::format(
        " Whether states grow beyond the {} tokens of training cannot be told: no position within them was looked at, "
        "or the states there are zeros.",
        whole(states.training_length.value_or(0)));
  }
  std::string text = about_untouched(states);
  for (std::size_t s = 1; s < states.findings.size(); ++s)
    text += about_control(report.settings[s], states.findings[s]);
  return text + ".";
}

std::vector<std::string> state_advice(const CollapseReport& report) {
  if (!report.states || report.states->positions.empty()) return {};
  const StateReport& states = *report.states;
  if (!states.training_length)
    return {"Say how long the texts were that the model was trained on: --training-length N"};
  if (!can_be_judged(states)) {
    return {fmt::format("Give texts longer than the {} tokens of training: states grow beyond them, if they do",
                        whole(states.training_length.value_or(0)))};
  }
  if (!states.findings.front().collapse)
    return {"Nothing here asks for a state control: stay with none, the model as trained"};
  if (const StateFinding* best = best_control(states)) {
    return {
        fmt::format("Of the state controls compared, {} holds the states best: judge it on labelled texts of this kind "
                    "before using it (docs/state.md)",
                    report.settings[static_cast<std::size_t>(best->setting)])};
  }
  return {fmt::format(
      "Compare what may hold the states in bounds: --state rri:0.9999,0.75, --state window:{}, --state norm:FILE "
      "of `treble calibrate --state-norms` (docs/state.md)",
      *states.training_length)};
}

}  // namespace treble::internal
