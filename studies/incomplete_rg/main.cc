// incomplete_rg: the study's program.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include "agreement.h"
#include "collocation.h"
#include "error.h"
#include "hawking_page.h"
#include "potential.h"
#include "records.h"
#include "scan.h"
#include "shooting.h"

namespace {

using namespace incomplete_rg;

constexpr int kNoSolution = 1;
constexpr int kWrongInput = 64;
constexpr int kFault = 70;

struct Arguments {
  std::string potential;
  std::string method = "both";
  std::string format = "table";
  std::string profile;
  std::string out;
  double centre = 0;
  double radius = 0;
  std::vector<double> sources;

  bool collocates() const { return method == "collocation"; }
};

template <class Solution>
Record checked_record(const Arguments& arguments, const Potential& potential, const Solution& solution) {
  Record record = record_of(potential, solution);
  record["method"] = arguments.method;
  if (arguments.method == "both") record["difference"] = check_by_collocation(potential, solution);
  return record;
}

void print(const Arguments& arguments, const std::vector<Record>& records) {
  const std::string text = arguments.format == "csv"    ? as_csv(records)
                           : arguments.format == "json" ? as_json(records)
                                                        : as_table(records);
  fmt::print("{}", text);
  if (std::fflush(stdout) != 0) throw std::runtime_error("cannot write the output");
}

void write_profile(const std::string& path, const Profile& profile) {
  std::vector<Record> records;
  records.reserve(profile.size());
  for (const ProfilePoint& point : profile) records.push_back(record_of(point));
  write_file(path, as_csv(records));
}

void run_soliton(const Arguments& arguments, bool by_centre) {
  const Potential potential = Potential::named(arguments.potential);
  Soliton soliton;
  if (arguments.collocates()) {
    soliton = collocate_soliton(potential, arguments.sources.front());
  } else {
    soliton = by_centre ? shoot_soliton(potential, arguments.centre)
                        : soliton_of_source(potential, arguments.sources.front());
  }
  print(arguments, {checked_record(arguments, potential, soliton)});
  if (arguments.profile.empty()) return;
  Profile profile;
  shoot_soliton(potential, soliton.centre, &profile);
  write_profile(arguments.profile, profile);
}

void run_black_hole(const Arguments& arguments) {
  const Potential potential = Potential::named(arguments.potential);
  const double source = arguments.sources.front();
  const BlackHole black_hole = arguments.collocates() ? collocate_black_hole(potential, arguments.radius, source)
                                                      : black_hole_of_source(potential, arguments.radius, source);
  print(arguments, {checked_record(arguments, potential, black_hole)});
  if (arguments.profile.empty()) return;
  Profile profile;
  shoot_black_hole(potential, arguments.radius, black_hole.horizon, &profile);
  write_profile(arguments.profile, profile);
}

void run_hawking_page(const Arguments& arguments) {
  const Potential potential = Potential::named(arguments.potential);
  std::vector<Record> records;
  records.reserve(arguments.sources.size());
  for (const double source : arguments.sources) {
    records.push_back(checked_record(arguments, potential, hawking_page(potential, source)));
  }
  print(arguments, records);
}

CLI::Option* add_source(CLI::App* command, Arguments& arguments, const std::string& count = "") {
  return command->add_option("--source", arguments.sources, "α of φ = α/r + …, at least 0, sphere of radius 1" + count);
}

void add_format(CLI::App* command, Arguments& arguments) {
  command->add_option("--format", arguments.format, "of what is printed")
      ->check(CLI::IsMember({"table", "csv", "json"}))
      ->capture_default_str();
}

void add_common(CLI::App* command, Arguments& arguments, const std::vector<std::string>& methods) {
  command->add_option("--potential", arguments.potential, "quad −6 − φ², cosh −2(2 + cosh φ) or quart −6 − φ² + φ⁴/4")
      ->required()
      ->check(CLI::IsMember({"quad", "cosh", "quart"}));
  command->add_option("--method", arguments.method, "both: by shooting, and an error unless collocation agrees to 1e-7")
      ->check(CLI::IsMember(methods))
      ->capture_default_str();
  add_format(command, arguments);
}

// NOLINTNEXTLINE(bugprone-throwing-static-initialization): out of memory before main has no other way out
const std::vector<std::string> kSolutionMethods{"both", "shooting", "collocation"};

void add_soliton(CLI::App& app, Arguments& arguments) {
  CLI::App* command = app.add_subcommand("soliton", "Horizonless, by the field at its centre or by its source");
  add_common(command, arguments, kSolutionMethods);
  CLI::Option* centre = command->add_option("--centre", arguments.centre, "φ(0), at least 0; quart: below √2");
  CLI::Option* source = add_source(command, arguments)->expected(1)->excludes(centre);
  command->add_option("--profile", arguments.profile, "CSV file for r, φ, f, χ and C(r)");
  command->final_callback([=, &arguments] {
    if (centre->count() + source->count() != 1) throw CLI::RequiredError("--centre or --source");
    if (centre->count() != 0 && arguments.collocates()) throw CLI::RequiresError("--method collocation", "--source");
    run_soliton(arguments, centre->count() != 0);
  });
}

void add_black_hole(CLI::App& app, Arguments& arguments) {
  CLI::App* command = app.add_subcommand("black-hole", "By the radius of its horizon and its source");
  add_common(command, arguments, kSolutionMethods);
  command->add_option("--radius", arguments.radius, "r_h, above 0")->required();
  add_source(command, arguments)->required()->expected(1);
  command->add_option("--profile", arguments.profile, "CSV file for r, φ, f, χ and C(r)");
  command->final_callback([&arguments] { run_black_hole(arguments); });
}

void add_hawking_page(CLI::App& app, Arguments& arguments) {
  CLI::App* command = app.add_subcommand("hawking-page", "Where soliton and black hole have the same free energy");
  add_common(command, arguments, {"both", "shooting"});
  add_source(command, arguments, "; several, separated by commas")->required()->delimiter(',');
  command->final_callback([&arguments] { run_hawking_page(arguments); });
}

void add_scan(CLI::App& app, Arguments& arguments) {
  CLI::App* command = app.add_subcommand("scan", "The data of every figure of README.md, as CSV files");
  command->add_option("--out", arguments.out, "the folder for them")->required();
  add_format(command, arguments);
  command->final_callback([&arguments] { print(arguments, {scan(arguments.out)}); });
}

int run(int argc, char** argv) {
  CLI::App app{
      "Static flows of a scalar with m² = −2 in global AdS4: solitons, black holes and the transition between them.\n"
      "Units: L = 1, G = 1, boundary sphere of radius 1. studies/incomplete_rg/README.md says what the names mean."};
  app.require_subcommand(1);
  app.footer("Exit: 0; 1 no such solution, or none that converged; 64 wrong arguments; 70 files or faults.");
  Arguments arguments;
  add_soliton(app, arguments);
  add_black_hole(app, arguments);
  add_hawking_page(app, arguments);
  add_scan(app, arguments);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kWrongInput;
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const InvalidInput& error) {
    fmt::print(stderr, "incomplete_rg: error: {}\n", error.what());
    return kWrongInput;
  } catch (const NoSolution& error) {
    fmt::print(stderr, "incomplete_rg: error: {}\n", error.what());
    return kNoSolution;
  } catch (const std::exception& error) {
    fmt::print(stderr, "incomplete_rg: error: {}\n", error.what());
    return kFault;
  }
}
