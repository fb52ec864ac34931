#include "diagnostics/state_growth.h"

#include <algorithm>

#include "diagnostics/state_positions.h"

namespace treble::internal {

namespace {

/// Positions of a report.
constexpr std::int64_t kReportedPositions = 64;

std::vector<double> variances_of(const std::vector<StateEstimate>& curve) {
  std::vector<double> variances;
  variances.reserve(curve.size());
  for (const StateEstimate& estimate : curve) variances.push_back(estimate.variance);
  return variances;
}

/// At each position the larger of both.
void raise(std::vector<double>& to, const std::vector<double>& from) {
  to.resize(from.size());
  for (std::size_t i = 0; i < from.size(); ++i) to[i] = std::max(to[i], from[i]);
}

double largest_of(const std::vector<double>& variances) {
  return variances.empty() ? 0 : *std::max_element(variances.begin(), variances.end());
}

/// Orders heads by how far they grow, or where that is unknown by how far they go.
double badness(const std::optional<StateGrowth>& growth, const std::vector<double>& variances) {
  return growth ? growth->largest : largest_of(variances);
}

/// Takes the heads of one setting into a report.
class SettingStates {
 public:
  SettingStates(const StateProbePlace& place, const StateProbe& probe, std::int64_t setting, StateReport& report)
      : place_(place),
        probe_(probe),
        report_(report),
        shown_(thinned_positions(place.positions, kReportedPositions, report.training_length.value_or(0))),
        finding_{.setting = setting} {
    report_.positions.clear();
    report_.texts.clear();
    for (const std::size_t i : shown_) {
      report_.positions.push_back(place.positions[i]);
      report_.texts.push_back(probe.texts()[i]);
    }
  }

  void run() {
    std::vector<double> maximum;
    for (std::size_t row = 0; row < place_.layers.size(); ++row) raise(maximum, add_layer(row));
    finding_.maximum = growth(maximum);
    report_.findings.push_back(finding_);
  }

 private:
  std::optional<StateGrowth> growth(const std::vector<double>& variances) const {
    return growth_of(place_.positions, variances, report_.training_length);
  }

  /// Returns the largest variance of its heads at each position.
  std::vector<double> add_layer(std::size_t row) {
    StateLayer layer{.setting = finding_.setting, .layer = place_.layers[row]};
    double worst = -1;
    std::vector<double> maximum;
    for (std::int64_t head = 0; head < place_.num_heads; ++head) {
      const std::vector<StateEstimate> curve = probe_.means(row, head);
      const std::vector<double> variances = variances_of(curve);
      StateHead one{.setting = layer.setting, .layer = layer.layer, .head = head, .growth = growth(variances)};
      for (const std::size_t i : shown_) one.at.push_back(curve[i]);
      raise(maximum, variances);
      const double bad = badness(one.growth, variances);
      if (bad > worst) layer.worst_head = head;
      worst = std::max(worst, bad);
      note_head(one, bad);
      report_.heads.push_back(std::move(one));
    }
    layer.growth = growth(maximum);
    report_.layers.push_back(layer);
    return maximum;
  }

  void note_head(const StateHead& head, double bad) {
    if (bad > worst_) {
      worst_ = bad;
      finding_.layer = head.layer;
      finding_.head = head.head;
      finding_.worst = head.growth;
    }
    if (!head.growth || !head.growth->collapse) return;
    ++finding_.collapsed_heads;
    finding_.collapse = std::min(finding_.collapse.value_or(*head.growth->collapse), *head.growth->collapse);
  }

  const StateProbePlace& place_;
  const StateProbe& probe_;
  StateReport& report_;
  std::vector<std::size_t> shown_;
  StateFinding finding_;
  double worst_ = -1;
};

}  // namespace

std::optional<StateGrowth> growth_of(std::span<const std::int64_t> positions, std::span<const double> variances,
                                     std::optional<std::int64_t> training_length) {
  if (!training_length || positions.empty() || positions.back() <= *training_length) return std::nullopt;
  StateGrowth growth;
  for (std::size_t i = 0; i < positions.size() && positions[i] <= *training_length; ++i) {
    growth.trained_variance = std::max(growth.trained_variance, variances[i]);
  }
  if (!(growth.trained_variance > 0)) return std::nullopt;
  for (std::size_t i = 0; i < positions.size(); ++i) {
    if (positions[i] <= *training_length) continue;
    growth.last = variances[i] / growth.trained_variance;
    growth.largest = std::max(growth.largest, growth.last);
    if (!growth.collapse && growth.last > kStateCollapseRatio) growth.collapse = positions[i];
  }
  return growth;
}

void add_states(std::int64_t setting, const StateProbePlace& place, const StateProbe& probe, StateReport& report) {
  SettingStates(place, probe, setting, report).run();
}

}  // namespace treble::internal
