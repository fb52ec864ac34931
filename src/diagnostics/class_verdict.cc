#include "diagnostics/class_verdict.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <optional>

namespace treble::internal {

namespace {

/// A change of less is none to speak of, however certain.
constexpr double kMinRatio = 1.05;
/// Where both ends of an interval are within this of no change, there is none; where it is wider and holds no change,
/// nothing can be told.
constexpr double kNoChange = 1.1;

std::string counted(std::int64_t count, const char* one, const char* many) {
  return fmt::format("{} {}", count, count == 1 ? one : many);
}

const ClassEstimate* final_estimate(const ClassReport& report, std::int64_t setting) {
  const auto found = std::find_if(report.estimates.begin(), report.estimates.end(), [&](const ClassEstimate& e) {
    return e.setting == setting && e.layer == -1 && e.bucket == -1;
  });
  return found == report.estimates.end() ? nullptr : &*found;
}

/// Why there is no ratio.
constexpr const char* kNothingToCompare = "the class means, or the texts of every class, are all alike";

enum class Change { tighter, looser, slight, none, unclear };

Change change_of(const Interval& ratio) {
  const bool certain = ratio.low > 1 || ratio.high < 1;
  if (certain && ratio.value < kMinRatio && ratio.value > 1 / kMinRatio) return Change::slight;
  if (certain) return ratio.value > 1 ? Change::tighter : Change::looser;
  if (ratio.low >= 1 / kNoChange && ratio.high <= kNoChange) return Change::none;
  return Change::unclear;
}

std::string times(double low, double value, double high) {
  return fmt::format("{:.2f} [{:.2f}, {:.2f}]", value, low, high);
}

/// "1.41 [1.35, 1.47] times": above 1 for either direction.
std::string times_of(const Interval& ratio) {
  return ratio.value >= 1 ? times(ratio.low, ratio.value, ratio.high)
                          : times(1 / ratio.high, 1 / ratio.value, 1 / ratio.low);
}

std::string about_texts(const ClassReport& report, const ClassEstimate& estimate) {
  std::string text = fmt::format("{} of {}", counted(estimate.texts, "labelled text", "labelled texts"),
                                 counted(estimate.classes, "class", "classes"));
  if (estimate.texts < report.labelled_texts) text += fmt::format(", of {} in the input", report.labelled_texts);
  text += '.';
  if (estimate.texts_left_out > 0) {
    text += fmt::format(" {} left out: no other text here is of {} class.",
                        counted(estimate.texts_left_out, "more is", "more are"),
                        estimate.texts_left_out == 1 ? "its" : "their");
  }
  return text;
}

std::string about_layers(const ClassFindings& found) {
  if (found.first_layer < 0) return {};
  if (!found.tighter_by_layer) {
    return fmt::format(" Layers {} and {} cannot be compared: {}.", found.first_layer, found.last_layer,
                       kNothingToCompare);
  }
  const Interval& ratio = *found.tighter_by_layer;
  const std::string places = fmt::format("after layer {} than after layer {}", found.last_layer, found.first_layer);
  switch (change_of(ratio)) {
    case Change::tighter: return fmt::format(" Classes are {} times tighter {} (NC1~).", times_of(ratio), places);
    case Change::looser: return fmt::format(" Classes are {} times looser {} (NC1~).", times_of(ratio), places);
    case Change::slight:
    case Change::none:
      return fmt::format(" Classes are about as tight after layer {} as after layer {} ({} times).", found.last_layer,
                         found.first_layer, times_of(ratio));
    case Change::unclear: break;
  }
  return fmt::format(" Whether classes are tighter {} cannot be told: {} times.", places,
                     times(ratio.low, ratio.value, ratio.high));
}

std::string about_temperature(const std::string& name, const std::optional<Interval>& tighter) {
  if (!tighter) return fmt::format(" What temperature {} changes cannot be told: {}.", name, kNothingToCompare);
  switch (change_of(*tighter)) {
    case Change::tighter: return fmt::format(" Temperature {} makes them {} times tighter.", name, times_of(*tighter));
    case Change::looser: return fmt::format(" Temperature {} makes them {} times looser.", name, times_of(*tighter));
    case Change::slight:
      return fmt::format(" Temperature {} hardly changes it ({} times {}).", name, times_of(*tighter),
                         tighter->value > 1 ? "tighter" : "looser");
    case Change::none:
      return fmt::format(" Temperature {} does not change it ({} times).", name,
                         times(tighter->low, tighter->value, tighter->high));
    case Change::unclear: break;
  }
  return fmt::format(" Whether temperature {} changes it cannot be told ({} times).", name,
                     times(tighter->low, tighter->value, tighter->high));
}

std::string about_accuracy_changes(const ClassFindings& found, std::span<const std::string> settings) {
  std::string text;
  for (std::size_t t = 1; t < found.accuracy_change.size(); ++t) {
    const auto& change = found.accuracy_change[t];
    if (!change) continue;
    if (!change->has_width()) {
      text += fmt::format("{} {:+.1f} points at temperature {}", text.empty() ? ";" : ",", 100 * change->value,
                          settings[t]);
      continue;
    }
    const bool certain = change->low > 0 || change->high < 0;
    text += fmt::format("{} {:+.1f} [{:+.1f}, {:+.1f}] points at temperature {}{}", text.empty() ? ";" : ",",
                        100 * change->value, 100 * change->low, 100 * change->high, settings[t],
                        certain ? "" : ", which may be chance");
  }
  return text;
}

std::string about_accuracy(const ClassEstimate& estimate, const ClassFindings& found,
                           std::span<const std::string> settings) {
  if (!estimate.accuracy) return fmt::format(" The nearest class mean was not judged: {}.", estimate.reason);
  const Interval& share = *estimate.accuracy;
  return fmt::format(" The nearest class mean is right for {:.1f} % [{:.1f}, {:.1f}] of {} held-out {}{}.",
                     100 * share.value, 100 * share.low, 100 * share.high, estimate.held_out_texts,
                     estimate.held_out_texts == 1 ? "text" : "texts", about_accuracy_changes(found, settings));
}

}  // namespace

std::string describe_classes(const ClassReport& report, std::span<const std::string> settings) {
  const ClassEstimate* estimate = final_estimate(report, 0);
  if (report.labelled_texts == 0) return "Classes: no text has a label.";
  if (estimate == nullptr || estimate->texts == 0) {
    return fmt::format("Classes of {} cannot be measured: {}.",
                       counted(report.labelled_texts, "labelled text", "labelled texts"),
                       estimate == nullptr ? "nothing was measured" : estimate->reason);
  }
  std::string text = "Classes: " + about_texts(report, *estimate) + about_layers(report.findings);
  for (std::size_t t = 1; t < report.findings.tighter_by_temperature.size(); ++t) {
    text += about_temperature(settings[t], report.findings.tighter_by_temperature[t]);
  }
  return text + about_accuracy(*estimate, report.findings, settings);
}

}  // namespace treble::internal
