// What `treble collapse-model` found, as JSON, CSV and a table.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "treble/neural_collapse.h"

namespace treble::cli {

/// A β of the path.
struct PathPoint {
  NearFeaturesMinimiser minimiser;
  std::optional<Perturbation> perturbation;
  std::string no_perturbation;  ///< the reason, where there is none
  /// ‖H − first order‖/‖H − H*‖, H being the minimiser.
  std::optional<double> first_order_error = {};
};

struct CollapseModelReport {
  std::string data;
  std::int64_t items = 0;
  std::int64_t dim = 0;
  std::vector<std::string> labels;   ///< of the classes
  std::vector<std::int64_t> counts;  ///< of their items
  double lambda_w = 0;
  double lambda_h = 0;
  NeuralCollapse given;  ///< of H₀
  std::vector<PathPoint> path;
  std::vector<FlowPoint> flow;
};

std::string to_json(const CollapseModelReport& report);
/// A line each for H₀, for every β and for every time.
std::string to_csv(const CollapseModelReport& report);
std::string to_table(const CollapseModelReport& report);

}  // namespace treble::cli
