#include "collapse_model_command.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <string_view>
#include <utility>

#include "collapse_model_report.h"
#include "command_line.h"
#include "fail.h"
#include "file_roles.h"
#include "input/line_reader.h"
#include "npy_reader.h"
#include "standard_streams.h"
#include "treble/whole_file.h"

namespace treble::cli {

namespace {

constexpr const char* kCollapseModelExamples =
    R"(The model of features near given ones (Tirer, Huang & Niles-Weed, arXiv
2210.16658). With Y the one-hot labels and H0 the features it minimises
  f(W, H) = |WH - Y|^2/(2N) + lambda_W |W|^2/(2K) + lambda_H |H|^2/(2N)
            + beta |H - H0|^2/(2N).
FEATURES has a row an item, LABELS a line an item.

Examples:
  treble collapse-model vectors.npy --labels labels.txt --beta 0.1,1,10
  treble collapse-model vectors.npy --labels labels.txt --flow 1,10,100
  treble collapse-model vectors.npy --labels labels.txt --html collapse.html)";

struct Labels {
  std::vector<std::string> names;
  std::vector<std::int64_t> counts;
  std::vector<std::int64_t> classes;  ///< of the items
};

Labels read_labels(const std::string& path) {
  LineReader file(path);
  Labels labels;
  std::map<std::string, std::int64_t, std::less<>> known;
  for (std::string line; file.next(line);) {
    const std::string_view label = without_ending(line);
    if (label.empty()) {
      fail(ErrorCode::invalid_file, "{}: line {} is empty; every item needs a label", path, labels.classes.size() + 1);
    }
    const auto [at, is_new] = known.emplace(label, static_cast<std::int64_t>(labels.names.size()));
    if (is_new) {
      labels.names.emplace_back(label);
      labels.counts.push_back(0);
    }
    labels.classes.push_back(at->second);
    ++labels.counts[static_cast<std::size_t>(at->second)];
  }
  return labels;
}

double distance(const std::vector<double>& a, const std::vector<double>& b) {
  double square = 0;
  for (std::size_t i = 0; i < a.size(); ++i) square += (a[i] - b[i]) * (a[i] - b[i]);
  return std::sqrt(square);
}

PathPoint path_point(const NearFeaturesModel& model, double beta) {
  PathPoint point{.minimiser = model.minimise(beta), .perturbation = {}, .no_perturbation = {}};
  try {
    point.perturbation = model.perturbation(beta);
    const double way = distance(point.minimiser.features, point.perturbation->collapsed);
    if (way > 0) point.first_order_error = distance(point.minimiser.features, point.perturbation->features) / way;
  } catch (const Error& error) {
    if (error.code() != ErrorCode::unsupported && error.code() != ErrorCode::invalid_argument) throw;
    point.no_perturbation = error.what();
  }
  return point;
}

}  // namespace

void CollapseModelCommand::add_to(CLI::App& app) {
  command_ =
      app.add_subcommand("collapse-model", "The near-features model of neural collapse, solved on your features");
  const std::string group = "Model";
  command_->add_option("FEATURES", features_, "A .npy file [items, dimensions], float32 or float64")->required();
  command_->add_option("--labels", labels_, "The items' classes, a line each")
      ->type_name("FILE")
      ->required()
      ->group(group);
  command_->add_option("--lambda-w", options_.lambda_w, "Regularisation of the linear layer [0.005]")
      ->type_name("X")
      ->group(group);
  command_->add_option("--lambda-h", options_.lambda_h, "Regularisation of the features [0.005]")
      ->type_name("X")
      ->group(group);
  const auto list = [&](const char* name, std::vector<double>& values, const char* what) {
    command_->add_option(name, values, what)
        ->type_name("A,B,…")
        ->take_all()
        ->allow_extra_args(false)
        ->delimiter(',')
        ->group(group);
  };
  list("--beta", betas_, "How strongly features are held near the given ones: a minimiser for each [1]");
  list("--flow", times_, "Times of the gradient flow from the given features, rising [none]");
  command_->add_option("--csv", csv_, "Write the metrics as CSV to this file")->type_name("FILE")->group(group);
  output_.add_to(*command_, group);
  command_->footer(kCollapseModelExamples);
}

int CollapseModelCommand::run() const {
  FileRoles roles;
  roles.reads(features_, "FEATURES");
  roles.reads(labels_, "--labels");
  roles.writes(csv_, "--csv");
  output_.check(roles);
  if (!csv_.empty()) check_writable(csv_, output_.existing());
  const NpyMatrix features = read_npy_matrix(features_);
  const Labels labels = read_labels(labels_);
  if (std::cmp_not_equal(labels.classes.size(), features.rows)) {
    fail(ErrorCode::invalid_argument, "{} has {} labels, {} has {} rows; there must be a label a row", labels_,
         labels.classes.size(), features_, features.rows);
  }
  const NearFeaturesModel model({.dim = features.cols, .values = features.values, .classes = labels.classes}, options_);
  CollapseModelReport report{.data = features_,
                             .items = features.rows,
                             .dim = features.cols,
                             .labels = labels.names,
                             .counts = labels.counts,
                             .lambda_w = options_.lambda_w,
                             .lambda_h = options_.lambda_h,
                             .given = model.collapse(),
                             .path = {},
                             .flow = {}};
  for (const double beta : betas_.empty() ? std::vector{1.0} : betas_) report.path.push_back(path_point(model, beta));
  report.flow = model.flow(times_);
  if (!csv_.empty()) {
    write_whole_file(csv_, to_csv(report), output_.existing());
    say("wrote {}\n", csv_);
  }
  output_.write(to_json(report), to_table(report));
  return 0;
}

}  // namespace treble::cli
