#include "diagnostics/class_measures.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <random>
#include <utility>

#include "base/percentile_interval.h"
#include "diagnostics/class_resampling.h"
#include "evaluation/logistic_regression.h"
#include "neural_collapse/class_statistics.h"

namespace treble::internal {

namespace {

/// As scikit-learn's LogisticRegression: a probe is asked which side a text is on, not to seven digits.
constexpr LogisticOptions kProbe = {.tolerance = 1e-4, .max_steps = 100};

/// Texts that are the same, of one class.
using Copies = std::vector<std::int64_t>;

/// Deals a class into halves; copies stay together, so that nothing is judged that was fitted on.
void add_class(std::vector<Copies> units, std::mt19937_64& generator, ClassGroup& group) {
  std::size_t count = 0;
  for (const Copies& unit : units) count += unit.size();
  if (count < 2) {
    ++group.texts_left_out;
    return;
  }
  for (std::size_t last = units.size(); last-- > 1;) std::swap(units[last], units[generator() % (last + 1)]);
  std::size_t fitted = 0;
  for (std::size_t i = 0; i < units.size(); ++i) {
    // The last one is to be judged, however many copies the others are.
    const bool fits = fitted < (count + 1) / 2 && (i == 0 || i + 1 < units.size());
    if (fits) fitted += units[i].size();
    for (const std::int64_t row : units[i]) {
      (fits ? group.fitted : group.held_out).push_back(group.rows.size());
      group.rows.push_back(row);
      group.classes.push_back(group.num_classes());
    }
  }
  group.sizes.push_back(static_cast<std::int64_t>(count));
}

/// The group's vectors as columns, less their mean: no measure changes, and sums of squares lose fewer digits.
Features centred_columns(ConstMatrixView vectors, std::span<const std::int64_t> rows) {
  Features h(vectors.cols, static_cast<Eigen::Index>(rows.size()));
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const auto row = vectors.row_span(rows[i]);
    for (std::int64_t col = 0; col < vectors.cols; ++col) {
      h(col, static_cast<Eigen::Index>(i)) = double{row[static_cast<std::size_t>(col)]};
    }
  }
  const Eigen::VectorXd mean = h.rowwise().mean();
  h.colwise() -= mean;
  return h;
}

/// Some of the columns and their classes.
struct Half {
  Features h;
  std::vector<std::int64_t> classes;
};

Half half_of(const Features& h, const ClassGroup& group, const std::vector<std::size_t>& places) {
  Half half{Features(h.rows(), static_cast<Eigen::Index>(places.size())), {}};
  for (std::size_t i = 0; i < places.size(); ++i) {
    half.h.col(static_cast<Eigen::Index>(i)) = h.col(static_cast<Eigen::Index>(places[i]));
    half.classes.push_back(group.classes[places[i]]);
  }
  return half;
}

/// The class of the nearest mean, of several the first (sklearn.neighbors.NearestCentroid).
std::vector<std::int64_t> nearest_means(const Half& fitted, const Half& judged, std::int64_t num_classes) {
  const Eigen::MatrixXd means = class_means(fitted.h, fitted.classes, num_classes);
  std::vector<std::int64_t> nearest;
  for (Eigen::Index i = 0; i < judged.h.cols(); ++i) {
    Eigen::Index best = 0;
    (means.colwise() - judged.h.col(i)).colwise().squaredNorm().minCoeff(&best);
    nearest.push_back(best);
  }
  return nearest;
}

/// Row-major floats, scaled.
std::vector<float> rows_of(const Features& h, double scale) {
  std::vector<float> rows(static_cast<std::size_t>(h.size()));
  for (Eigen::Index i = 0; i < h.size(); ++i)
    rows[static_cast<std::size_t>(i)] = static_cast<float>(h.data()[i] * scale);
  return rows;
}

std::vector<std::int64_t> probed_classes(const Half& fitted, const Half& judged, std::int64_t num_classes) {
  const Eigen::VectorXd mean = fitted.h.rowwise().mean();
  const Features centred = fitted.h.colwise() - mean;
  const double variance = centred.squaredNorm() / static_cast<double>(centred.size());
  const double scale = variance > 0 ? 1 / std::sqrt(variance) : 1;
  const LogisticRegression probe(rows_of(centred, scale), fitted.classes, static_cast<std::size_t>(num_classes),
                                 kProbe);
  return probe.predict(rows_of(judged.h.colwise() - mean, scale));
}

/// Of values a text, by resampling the texts.
Interval mean_interval(const std::vector<double>& values, const BootstrapOptions& options) {
  const std::size_t count = values.size();
  double sum = 0;
  for (const double value : values) sum += value;
  Interval mean{sum / static_cast<double>(count), 0, 0};
  mean.low = mean.high = mean.value;
  if (options.resamples == 0) return mean;
  std::mt19937_64 generator(options.seed);
  std::vector<double> means;
  for (int resample = 0; resample < options.resamples; ++resample) {
    double drawn = 0;
    for (std::size_t i = 0; i < count; ++i) drawn += values[generator() % count];
    means.push_back(drawn / static_cast<double>(count));
  }
  const Bounds bounds = percentile_interval(std::move(means), {.units = static_cast<std::int64_t>(count)});
  return {mean.value, std::min(bounds.low, mean.value), std::max(bounds.high, mean.value)};
}

/// 1 where they are equal, else 0.
std::vector<double> equal_places(const std::vector<std::int64_t>& a, const std::vector<std::int64_t>& b) {
  std::vector<double> equal;
  equal.reserve(a.size());
  for (std::size_t i = 0; i < a.size(); ++i) equal.push_back(a[i] == b[i] ? 1 : 0);
  return equal;
}

void judge_held_out(const Features& h, const ClassGroup& group, const BootstrapOptions& options, ClassMeasures& out) {
  if (group.held_out.empty()) {
    std::string& reason = out.estimate.reason;
    reason +=
        (reason.empty() ? "" : "; ") + std::string("no text is left to be judged: those of each class are copies");
    return;
  }
  const Half fitted = half_of(h, group, group.fitted);
  const Half judged = half_of(h, group, group.held_out);
  const auto nearest = nearest_means(fitted, judged, group.num_classes());
  const auto probed = probed_classes(fitted, judged, group.num_classes());
  out.correct = equal_places(nearest, judged.classes);
  out.estimate.held_out_texts = std::ssize(group.held_out);
  out.estimate.accuracy = mean_interval(out.correct, options);
  out.estimate.probe_accuracy = mean_interval(equal_places(probed, judged.classes), options);
  out.estimate.agreement = mean_interval(equal_places(nearest, probed), options);
}

void measure_scatter(const Features& h, const ClassGroup& group, const BootstrapOptions& options, ClassMeasures& out) {
  ClassEstimate& estimate = out.estimate;
  const NeuralCollapse measured = measure(h, group.classes, group.num_classes());
  ClassResamples resamples = resample_classes(h, group.sizes, options);
  const Resampled of{.units = estimate.texts, .strata = estimate.classes};
  const auto interval = [&](double value, const std::vector<double>& values) {
    return centred_interval(value, values, of);
  };
  estimate.spectral_resamples = std::ssize(resamples.nc1);
  estimate.within = interval(measured.within, resamples.within);
  estimate.between = interval(measured.between, resamples.between);
  if (!measured.nc1_traces || !measured.nc1 || !measured.nc2) {
    estimate.reason = "the means of all classes are alike";
  } else {
    estimate.nc1_traces = interval(*measured.nc1_traces, resamples.nc1_traces);
    estimate.nc1 = interval(*measured.nc1, resamples.nc1);
    estimate.nc2 = interval(*measured.nc2, resamples.nc2);
  }
  out.nc1_traces = std::move(resamples.nc1_traces);
}

}  // namespace

ClassGroup group_classes(std::span<const std::int64_t> rows, const ClassLabels& labels, std::uint64_t seed) {
  std::map<std::int64_t, std::map<std::int64_t, std::vector<std::int64_t>>> members;
  for (const std::int64_t row : rows) {
    const auto at = static_cast<std::size_t>(row);
    members[labels.classes[at]][labels.texts.empty() ? row : labels.texts[at]].push_back(row);
  }
  ClassGroup group;
  std::mt19937_64 generator(seed);
  for (const auto& [label, texts] : members) {
    std::vector<std::vector<std::int64_t>> units;
    for (const auto& [text, copies] : texts) units.push_back(copies);
    add_class(std::move(units), generator, group);
  }
  if (group.num_classes() < 2) {
    group.reason = fmt::format("two classes of at least two texts are needed; of {} {} here, {} {} so many",
                               members.size(), members.size() == 1 ? "class" : "classes", group.num_classes(),
                               group.num_classes() == 1 ? "has" : "have");
  }
  return group;
}

ClassMeasures measure_classes(ConstMatrixView vectors, const ClassGroup& group, const BootstrapOptions& options) {
  ClassMeasures result;
  ClassEstimate& estimate = result.estimate;
  estimate.dim = vectors.cols;
  estimate.texts_left_out = group.texts_left_out;
  estimate.reason = group.reason;
  if (!group.reason.empty()) return result;
  estimate.texts = std::ssize(group.rows);
  estimate.classes = group.num_classes();
  const Features h = centred_columns(vectors, group.rows);
  measure_scatter(h, group, options, result);
  judge_held_out(h, group, options, result);
  return result;
}

std::optional<Interval> nc1_ratio(const ClassMeasures& a, const ClassMeasures& b) {
  const auto& [over, under] = std::pair(a.estimate.nc1_traces, b.estimate.nc1_traces);
  if (!over || !under || under->value <= 0 || over->value <= 0) return std::nullopt;
  std::vector<double> ratios;
  ratios.reserve(a.nc1_traces.size());
  for (std::size_t i = 0; i < a.nc1_traces.size(); ++i) ratios.push_back(a.nc1_traces[i] / b.nc1_traces[i]);
  return centred_interval(over->value / under->value, ratios,
                          {.units = a.estimate.texts, .strata = a.estimate.classes});
}

std::optional<Interval> accuracy_difference(const ClassMeasures& a, const ClassMeasures& b,
                                            const BootstrapOptions& options) {
  if (a.correct.empty() || a.correct.size() != b.correct.size()) return std::nullopt;
  std::vector<double> differences;
  differences.reserve(a.correct.size());
  for (std::size_t i = 0; i < a.correct.size(); ++i) differences.push_back(a.correct[i] - b.correct[i]);
  return mean_interval(differences, options);
}

}  // namespace treble::internal
