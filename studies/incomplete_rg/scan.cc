#include "scan.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <string_view>
#include <utility>
#include <vector>

#include "agreement.h"
#include "collocation.h"

namespace incomplete_rg {

namespace {

using Records = std::vector<Record>;

// NOLINTBEGIN(bugprone-throwing-static-initialization): out of memory before main has no other way out
const std::vector<std::pair<std::string_view, std::vector<double>>> kFlows{
    {"quad", {0.5, 1, 2}}, {"cosh", {1, 2, 4}}, {"quart", {0.5, 1, 1.3}}};
constexpr double kSourceStep = 0.25;
/// Where transitions go on, in steps of their own: there those of quad and quart turn.
const std::vector<double> kLargeSources{7, 8, 10, 12, 14, 16, 18, 20};
const std::vector<double> kBlackHoleSources{0, 1, 3};
constexpr int kRadii = 40;
constexpr double kSmallestRadius = 0.15;
constexpr double kLargestRadius = 1.6;
const std::vector<double> kAttractorRadii{0.5, 1, 2};
// NOLINTEND(bugprone-throwing-static-initialization)
constexpr int kAttractorSources = 29;

/// The black hole whose convergence is shown.
constexpr double kShownRadius = 0.981015;
constexpr double kShownSource = 1;
constexpr int kReferenceDegree = 48;

double geometric(double first, double last, int i, int count) {
  return first * std::pow(last / first, static_cast<double>(i) / (count - 1));
}

/// Beyond 5 the cosh potential's core is too small for collocation on one grid.
int source_steps(PotentialKind kind) { return kind == PotentialKind::cosh ? 20 : 24; }

Records flows() {
  Records records;
  for (const auto& [name, centres] : kFlows) {
    for (const double centre : centres) {
      Profile profile;
      const Soliton soliton = shoot_soliton(Potential::named(name), centre, &profile);
      for (const ProfilePoint& point : profile) {
        Record record{{"potential", name}, {"centre", centre}, {"source", soliton.source}};
        record.update(record_of(point));
        records.push_back(std::move(record));
      }
    }
  }
  return records;
}

Records solitons(double& largest_difference) {
  Records records;
  for (const PotentialKind kind : kPotentials) {
    const Potential potential(kind);
    for (int i = 0; i <= source_steps(kind); ++i) {
      const Soliton soliton = soliton_of_source(potential, kSourceStep * i);
      largest_difference = std::max(largest_difference, check_by_collocation(potential, soliton));
      records.push_back(record_of(potential, soliton));
    }
  }
  return records;
}

Records transitions(double& largest_difference) {
  Records records;
  for (const PotentialKind kind : kPotentials) {
    const Potential potential(kind);
    const auto add = [&](double source) {
      const Transition transition = hawking_page(potential, source);
      largest_difference = std::max(largest_difference, check_by_collocation(potential, transition));
      records.push_back(record_of(potential, transition));
    };
    for (int i = 0; i <= source_steps(kind); ++i) add(kSourceStep * i);
    if (kind == PotentialKind::cosh) continue;  // rises all the way, steeply
    for (const double source : kLargeSources) add(source);
  }
  return records;
}

Records black_holes() {
  Records records;
  for (const PotentialKind kind : kPotentials) {
    const Potential potential(kind);
    for (const double source : kBlackHoleSources) {
      const double soliton = soliton_of_source(potential, source).energy;
      for (int i = 0; i < kRadii; ++i) {
        const double radius = geometric(kSmallestRadius, kLargestRadius, i, kRadii);
        Record record = record_of(potential, black_hole_of_source(potential, radius, source));
        record["free_energy_soliton"] = soliton;
        records.push_back(std::move(record));
      }
    }
  }
  return records;
}

Records attractor() {
  const Potential potential(PotentialKind::quart);
  Records records;
  for (int i = 0; i < kAttractorSources; ++i) {
    const double source = geometric(0.1, 1000, i, kAttractorSources);
    const Soliton soliton = soliton_of_source(potential, source);
    Record record{{"source", source},
                  {"attractor", potential.attractor()},
                  {"centre", soliton.centre},
                  {"c_centre", -6 / potential.value(soliton.centre)}};
    for (const double radius : kAttractorRadii) {
      record[fmt::format("horizon_{}", radius)] = black_hole_of_source(potential, radius, source).horizon;
    }
    records.push_back(std::move(record));
  }
  return records;
}

/// Errors against a degree that has converged to rounding, and at that degree against shooting.
Records convergence() {
  const Potential potential(PotentialKind::cosh);
  const BlackHole reference = collocate_black_hole(potential, kShownRadius, kShownSource, kReferenceDegree);
  const BlackHole shot = black_hole_of_source(potential, kShownRadius, kShownSource);
  Records records;
  for (int degree = kMinDegree; degree <= kReferenceDegree - 8; degree += 2) {
    const BlackHole solution = collocate_black_hole(potential, kShownRadius, kShownSource, degree);
    records.push_back({{"degree", degree},
                       {"temperature", std::abs(solution.temperature - reference.temperature)},
                       {"free_energy", std::abs(solution.free_energy() - reference.free_energy())},
                       {"response", std::abs(solution.response - reference.response)},
                       {"horizon", std::abs(solution.horizon - reference.horizon)},
                       {"response_shooting", std::abs(solution.response - shot.response)}});
  }
  return records;
}

}  // namespace

Record scan(const std::string& folder) {
  std::filesystem::create_directories(folder);
  double soliton_difference = 0;
  double transition_difference = 0;
  const std::vector<std::pair<std::string, Records>> files{{"flows", flows()},
                                                           {"solitons", solitons(soliton_difference)},
                                                           {"transitions", transitions(transition_difference)},
                                                           {"black_holes", black_holes()},
                                                           {"attractor", attractor()},
                                                           {"convergence", convergence()}};
  Record summary;
  for (const auto& [name, records] : files) {
    write_file(fmt::format("{}/{}.csv", folder, name), as_csv(records));
    summary[name] = records.size();
  }
  summary["largest_difference_solitons"] = soliton_difference;
  summary["largest_difference_transitions"] = transition_difference;
  write_file(folder + "/summary.json", as_json({summary}));
  return summary;
}

}  // namespace incomplete_rg
