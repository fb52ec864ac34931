#include "collapse_model_report.h"

#include <fmt/format.h>

#include <cmath>

#include "json.h"
#include "treble/version.h"

namespace treble::cli {

namespace {

Json optional_json(const std::optional<double>& value) { return value ? Json(*value) : Json(); }

Json collapse_json(const NeuralCollapse& collapse) {
  return {{"within", collapse.within},
          {"between", collapse.between},
          {"nc1_traces", optional_json(collapse.nc1_traces)},
          {"nc1", optional_json(collapse.nc1)},
          {"nc2", optional_json(collapse.nc2)},
          {"nc3", optional_json(collapse.nc3)}};
}

Json perturbation_json(const PathPoint& point) {
  if (!point.perturbation) return {{"unsupported", point.no_perturbation}};
  const Perturbation& p = *point.perturbation;
  Json eigenvalues = Json::array();
  for (const BlockEigenvalue& one : p.diagonal_block)
    eigenvalues.push_back({{"value", one.value}, {"count", one.count}});
  return {{"c", p.c},
          {"rho", p.rho},
          {"distance", p.distance},
          {"first_order_error", optional_json(point.first_order_error)},
          {"collapse", collapse_json(p.collapse)},
          {"diagonal_block", eigenvalues},
          {"off_diagonal_singular_value", p.off_diagonal_singular_value}};
}

std::string cell(const std::optional<double>& value) { return value ? fmt::format("{:.6f}", *value) : "–"; }

std::string csv_line(const char* kind, const std::string& at, const NeuralCollapse& c, const std::string& objective,
                     const std::string& residual) {
  const auto number = [](const std::optional<double>& value) {
    return value ? fmt::format("{}", *value) : std::string();
  };
  return fmt::format("{},{},{},{},{},{},{},{},{},{}\n", kind, at, c.within, c.between, number(c.nc1_traces),
                     number(c.nc1), number(c.nc2), number(c.nc3), objective, residual);
}

std::string table_line(const std::string& name, const NeuralCollapse& c, const std::string& rest) {
  return fmt::format("  {:<14}{:>14.6g}{:>14.6g}{:>12}{:>12}{:>11}{:>11}{}\n", name, c.within, c.between,
                     cell(c.nc1_traces), cell(c.nc1), cell(c.nc2), cell(c.nc3), rest);
}

std::string first_order_lines(const PathPoint& point) {
  if (!point.perturbation) return fmt::format("  no first-order prediction: {}\n", point.no_perturbation);
  const Perturbation& p = *point.perturbation;
  std::string out = fmt::format(
      "  beta {}: H0 is {:.3g} of its length away from collapsed features; the first order predicts an NC1~ of {} and "
      "misses {} "
      "of the minimiser's way from them\n    eigenvalues of the diagonal block:",
      point.minimiser.beta, p.distance, cell(p.collapse.nc1_traces),
      point.first_order_error ? fmt::format("{:.2g}", *point.first_order_error) : "–");
  for (const BlockEigenvalue& one : p.diagonal_block) out += fmt::format(" {:.8f} ({})", one.value, one.count);
  return out + fmt::format("; singular value across classes: {:.3g}\n", p.off_diagonal_singular_value);
}

}  // namespace

std::string to_json(const CollapseModelReport& report) {
  Json classes = Json::array();
  for (std::size_t k = 0; k < report.labels.size(); ++k) {
    classes.push_back({{"label", report.labels[k]}, {"items", report.counts[k]}});
  }
  Json path = Json::array();
  for (const PathPoint& point : report.path) {
    const NearFeaturesMinimiser& m = point.minimiser;
    path.push_back({{"beta", m.beta},
                    {"objective", m.objective},
                    {"residual", m.residual},
                    {"alternations", m.alternations},
                    {"newton_steps", m.newton_steps},
                    {"collapse", collapse_json(m.collapse)},
                    {"perturbation", perturbation_json(point)}});
  }
  Json flow = Json::array();
  for (const FlowPoint& point : report.flow) {
    flow.push_back({{"time", point.time}, {"collapse", collapse_json(point.collapse)}});
  }
  return dump({{"kind", "collapse-model"},
               {"treble_version", std::string(version())},
               {"data", report.data},
               {"items", report.items},
               {"dim", report.dim},
               {"classes", classes},
               {"lambda_w", report.lambda_w},
               {"lambda_h", report.lambda_h},
               {"given", collapse_json(report.given)},
               {"path", path},
               {"flow", flow}},
              2);
}

std::string to_csv(const CollapseModelReport& report) {
  std::string out = "kind,at,within,between,nc1_traces,nc1,nc2,nc3,objective,residual\n";
  out += csv_line("given", "", report.given, "", "");
  for (const PathPoint& point : report.path) {
    const NearFeaturesMinimiser& m = point.minimiser;
    out += csv_line("beta", fmt::format("{}", m.beta), m.collapse, fmt::format("{}", m.objective),
                    fmt::format("{}", m.residual));
  }
  for (const FlowPoint& point : report.flow) {
    out += csv_line("time", fmt::format("{}", point.time), point.collapse, "", "");
  }
  return out;
}

std::string to_table(const CollapseModelReport& report) {
  std::string out = fmt::format(
      "{}: {} items of {} classes in {} dimensions; lambda_W {}, lambda_H {}\n\n  "
      "{:<14}{:>14}{:>14}{:>12}{:>12}{:>11}{:>11}   "
      "f, residual\n",
      report.data, report.items, report.labels.size(), report.dim, report.lambda_w, report.lambda_h, "", "tr S_W",
      "tr S_B", "NC1~", "NC1", "NC2", "NC3");
  out += table_line("given (H0)", report.given, "");
  for (const PathPoint& point : report.path) {
    const NearFeaturesMinimiser& m = point.minimiser;
    out += table_line(fmt::format("beta {}", m.beta), m.collapse,
                      fmt::format("   {:.8f}, {:.0e}", m.objective, m.residual));
  }
  for (const FlowPoint& point : report.flow) {
    out += table_line(fmt::format("time {}", point.time), point.collapse, "");
  }
  out +=
      "\n  NC1~ = tr S_W / tr S_B and NC1 = tr(S_W S_B+)/K fall to 0 as classes draw to points; NC2 and NC3: distance "
      "of the\n"
      "  class means, and of what the best linear layer makes of them, to a simplex frame (docs/neural-collapse.md).\n";
  std::string reason;
  for (const PathPoint& point : report.path) {
    if (!point.perturbation && point.no_perturbation == reason) continue;
    reason = point.no_perturbation;
    out += first_order_lines(point);
  }
  return out;
}

}  // namespace treble::cli
