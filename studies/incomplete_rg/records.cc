#include "records.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <numbers>
#include <stdexcept>
#include <system_error>

namespace incomplete_rg {

namespace {

std::string text_of(const Record& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_number_float()) return fmt::format("{:.10g}", value.get<double>());
  return value.dump();
}

}  // namespace

Record record_of(const Potential& potential, const Soliton& soliton) {
  return {{"potential", potential.name()},
          {"source", soliton.source},
          {"centre", soliton.centre},
          {"response", soliton.response},
          {"energy", soliton.energy},
          {"length", soliton.length},
          {"hemisphere_entropy", soliton.hemisphere_entropy()},
          {"chi_centre", soliton.chi_centre},
          // r²/(f − 1) and, by the trace of Einstein's equations, R = ½(∂φ)² + 2V.
          {"c_centre", -6 / potential.value(soliton.centre)},
          {"curvature_centre", 2 * potential.value(soliton.centre)}};
}

Record record_of(const Potential& potential, const BlackHole& black_hole) {
  return {{"potential", potential.name()},
          {"source", black_hole.source},
          {"radius", black_hole.radius},
          {"horizon", black_hole.horizon},
          {"response", black_hole.response},
          {"temperature", black_hole.temperature},
          {"entropy", black_hole.entropy()},
          {"energy", black_hole.energy},
          {"free_energy", black_hole.free_energy()},
          {"chi_horizon", black_hole.chi_horizon}};
}

Record record_of(const Potential& potential, const Transition& transition) {
  return {{"potential", potential.name()},
          {"source", transition.soliton.source},
          {"temperature", transition.temperature()},
          {"pi_temperature", std::numbers::pi * transition.temperature()},
          {"radius", transition.black_hole.radius},
          {"free_energy", transition.soliton.energy},
          {"latent_heat", transition.latent_heat()},
          {"centre", transition.soliton.centre},
          {"horizon", transition.black_hole.horizon},
          {"response_soliton", transition.soliton.response},
          {"response_black_hole", transition.black_hole.response}};
}

Record record_of(const ProfilePoint& point) {
  return {{"r", point.r}, {"phi", point.phi}, {"f", point.f}, {"chi", point.chi}, {"c_function", point.c_function}};
}

std::string as_table(const std::vector<Record>& records) {
  std::string text;
  if (records.size() == 1) {
    for (const auto& [name, value] : records.front().items()) text += fmt::format("{:<20} {}\n", name, text_of(value));
    return text;
  }
  if (records.empty()) return text;
  std::vector<std::size_t> widths;
  for (const auto& [name, value] : records.front().items()) widths.push_back(name.size());
  for (const Record& record : records) {
    std::size_t column = 0;
    for (const auto& [name, value] : record.items()) {
      widths[column] = std::max(widths[column], text_of(value).size());
      ++column;
    }
  }
  std::size_t column = 0;
  for (const auto& [name, value] : records.front().items()) text += fmt::format("{:>{}}  ", name, widths[column++]);
  text += '\n';
  for (const Record& record : records) {
    column = 0;
    for (const auto& [name, value] : record.items()) text += fmt::format("{:>{}}  ", text_of(value), widths[column++]);
    text += '\n';
  }
  return text;
}

std::string as_csv(const std::vector<Record>& records) {
  if (records.empty()) return {};
  std::vector<std::string> cells;
  for (const auto& [name, value] : records.front().items()) cells.push_back(name);
  std::string text = fmt::format("{}\n", fmt::join(cells, ","));
  for (const Record& record : records) {
    cells.clear();
    for (const Record& value : record) cells.push_back(text_of(value));
    text += fmt::format("{}\n", fmt::join(cells, ","));
  }
  return text;
}

std::string as_json(const std::vector<Record>& records) {
  return (records.size() == 1 ? records.front() : Record(records)).dump(2) + "\n";
}

void write_file(const std::string& path, const std::string& text) {
  errno = 0;
  std::ofstream file(path, std::ios::binary);
  file << text;
  file.close();
  if (!file) throw std::runtime_error(fmt::format("cannot write {}: {}", path, std::generic_category().message(errno)));
}

}  // namespace incomplete_rg
