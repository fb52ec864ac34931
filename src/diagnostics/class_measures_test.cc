// Classes against NumPy and scikit-learn, against plain definitions on seeded shapes, and where there is little to
// measure.
#include "diagnostics/class_measures.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>
#include <random>
#include <set>

#include "base/json_file.h"
#include "diagnostics/class_resampling.h"

namespace treble::internal {
namespace {

using Labels = std::vector<std::int64_t>;

/// Vectors with the class of each.
struct Sample {
  std::int64_t dim = 0;
  std::vector<float> values;
  Labels labels;

  ConstMatrixView view() const { return {values.data(), std::ssize(labels), dim}; }
  ClassGroup group(std::uint64_t seed = 1) const {
    Labels rows(labels.size());
    std::iota(rows.begin(), rows.end(), 0);
    return group_classes(rows, {labels}, seed);
  }
};

double gaussian(std::mt19937_64& generator) {
  // Irwin-Hall: the same on every machine.
  double sum = -6;
  for (int i = 0; i < 12; ++i) sum += static_cast<double>(generator() >> 11) * 0x1p-53;
  return sum;
}

/// `sizes` [class]; texts of different classes in turn.
Sample sample_of(const Labels& sizes, std::int64_t dim, double spread, std::uint64_t seed) {
  std::mt19937_64 generator(seed);
  std::vector<std::vector<double>> means(sizes.size(), std::vector<double>(static_cast<std::size_t>(dim)));
  for (auto& mean : means) {
    for (double& value : mean) value = gaussian(generator);
  }
  Sample sample{dim, {}, {}};
  for (std::int64_t text = 0; text < *std::max_element(sizes.begin(), sizes.end()); ++text) {
    for (std::size_t k = 0; k < sizes.size(); ++k) {
      if (text >= sizes[k]) continue;
      sample.labels.push_back(static_cast<std::int64_t>(k));
      for (const double value : means[k])
        sample.values.push_back(static_cast<float>(value + spread * gaussian(generator)));
    }
  }
  return sample;
}

std::vector<std::optional<Interval>> intervals_of(const ClassEstimate& e) {
  return {e.within, e.between, e.nc1_traces, e.nc1, e.nc2, e.accuracy, e.probe_accuracy, e.agreement};
}

void expect_sound(const ClassEstimate& estimate) {
  for (const auto& interval : intervals_of(estimate)) {
    if (!interval) {
      EXPECT_FALSE(estimate.reason.empty());
      continue;
    }
    EXPECT_TRUE(std::isfinite(interval->low) && std::isfinite(interval->high)) << interval->value;
    EXPECT_LE(interval->low, interval->value);
    EXPECT_GE(interval->high, interval->value);
    EXPECT_GE(interval->low, 0);
  }
}

TEST(ClassMeasures, AreThoseOfNumpyAndScikitLearn) {
  const auto golden = parse_json_file(TREBLE_SOURCE_DIR "/tests/golden/class_collapse.json");
  ASSERT_GE(golden.at("cases").size(), 16U);
  for (const auto& expected : golden.at("cases")) {
    Sample sample{expected.at("dim").get<std::int64_t>(), expected.at("vectors").get<std::vector<float>>(), {}};
    ClassGroup group;
    group.sizes = expected.at("sizes").get<Labels>();
    group.fitted = expected.at("fitted").get<std::vector<std::size_t>>();
    group.held_out = expected.at("held_out").get<std::vector<std::size_t>>();
    for (std::int64_t k = 0; k < group.num_classes(); ++k) {
      group.classes.insert(group.classes.end(), static_cast<std::size_t>(group.sizes[static_cast<std::size_t>(k)]), k);
    }
    sample.labels = group.classes;
    group.rows.resize(group.classes.size());
    std::iota(group.rows.begin(), group.rows.end(), 0);
    const ClassMeasures found = measure_classes(sample.view(), group, {.resamples = 50});
    const ClassEstimate& e = found.estimate;
    for (const auto& [name, interval] : {std::pair("within", e.within), std::pair("between", e.between),
                                         std::pair("nc1_traces", e.nc1_traces), std::pair("nc1", e.nc1)}) {
      const double value = expected.at(name).get<double>();
      EXPECT_NEAR(interval.value().value, value, 1e-9 * std::max(1.0, value)) << name;
    }
    EXPECT_NEAR(e.nc2.value().value, expected.at("nc2").get<double>(), 1e-9);
    EXPECT_EQ(found.correct, expected.at("nearest_is_right").get<std::vector<double>>());
    EXPECT_NEAR(e.probe_accuracy.value().value, expected.at("probe_accuracy").get<double>(), 1e-12);
    EXPECT_NEAR(e.agreement.value().value, expected.at("agreement").get<double>(), 1e-12);
    expect_sound(e);
  }
}

/// The measures of vectors that stand there as often as they are drawn, by their definitions.
struct PlainScatter {
  double within = 0;
  double between = 0;
  double nc2 = 0;
};

PlainScatter plain_scatter(const Eigen::MatrixXd& h, const Labels& classes, std::int64_t num_classes) {
  std::vector<Eigen::VectorXd> means(static_cast<std::size_t>(num_classes), Eigen::VectorXd::Zero(h.rows()));
  std::vector<double> counts(static_cast<std::size_t>(num_classes));
  for (std::size_t i = 0; i < classes.size(); ++i) {
    const auto k = static_cast<std::size_t>(classes[i]);
    means[k] += h.col(static_cast<Eigen::Index>(i));
    ++counts[k];
  }
  Eigen::VectorXd centre = Eigen::VectorXd::Zero(h.rows());
  for (std::size_t k = 0; k < means.size(); ++k) {
    means[k] /= counts[k];
    centre += means[k] / static_cast<double>(num_classes);
  }
  PlainScatter scatter;
  for (std::size_t i = 0; i < classes.size(); ++i) {
    const Eigen::VectorXd away = h.col(static_cast<Eigen::Index>(i)) - means[static_cast<std::size_t>(classes[i])];
    scatter.within += away.squaredNorm() / static_cast<double>(classes.size());
  }
  Eigen::MatrixXd gram(num_classes, num_classes);
  for (std::size_t k = 0; k < means.size(); ++k) {
    scatter.between += (means[k] - centre).squaredNorm() / static_cast<double>(num_classes);
    for (std::size_t j = 0; j < means.size(); ++j) {
      gram(static_cast<Eigen::Index>(k), static_cast<Eigen::Index>(j)) = (means[k] - centre).dot(means[j] - centre);
    }
  }
  const auto k = static_cast<double>(num_classes);
  Eigen::MatrixXd frame = -Eigen::MatrixXd::Ones(num_classes, num_classes) / k;
  frame.diagonal().array() += 1;
  scatter.nc2 = (gram / gram.norm() - frame / std::sqrt(k - 1)).norm();
  return scatter;
}

Eigen::MatrixXd columns_of(const Sample& sample, const Labels& rows) {
  Eigen::MatrixXd h(sample.dim, std::ssize(rows));
  for (std::size_t i = 0; i < rows.size(); ++i) {
    for (std::int64_t d = 0; d < sample.dim; ++d)
      h(d, static_cast<Eigen::Index>(i)) = double{sample.view().row(rows[i])[d]};
  }
  return h;
}

/// The class of the nearest mean of the fitted texts, as one would write it down.
double plain_accuracy(const Eigen::MatrixXd& h, const ClassGroup& group) {
  double right = 0;
  for (const std::size_t judged : group.held_out) {
    double best = 1e300;
    std::int64_t nearest = -1;
    for (std::int64_t k = 0; k < group.num_classes(); ++k) {
      Eigen::VectorXd mean = Eigen::VectorXd::Zero(h.rows());
      double count = 0;
      for (const std::size_t i : group.fitted) {
        if (group.classes[i] != k) continue;
        mean += h.col(static_cast<Eigen::Index>(i));
        ++count;
      }
      const double distance = (h.col(static_cast<Eigen::Index>(judged)) - mean / count).norm();
      if (distance < best) {
        best = distance;
        nearest = k;
      }
    }
    right += nearest == group.classes[judged] ? 1 : 0;
  }
  return right / static_cast<double>(group.held_out.size());
}

TEST(ClassMeasures, AreThoseOfPlainDefinitionsOnAnyShape) {
  std::mt19937_64 shapes(7);
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    Labels sizes(2 + shapes() % 7);
    for (auto& size : sizes) size = 1 + static_cast<std::int64_t>(shapes() % 9);
    const std::int64_t dim = 1 + static_cast<std::int64_t>(shapes() % 40);
    const Sample sample = sample_of(sizes, dim, 0.8, seed);
    const ClassGroup group = sample.group(seed);
    const auto singles = std::count(sizes.begin(), sizes.end(), 1);
    SCOPED_TRACE(fmt::format("{} classes, {} singles, {} dimensions", sizes.size(), singles, dim));
    EXPECT_EQ(group.texts_left_out, singles);
    const ClassEstimate e = measure_classes(sample.view(), group, {.resamples = 20, .seed = seed}).estimate;
    expect_sound(e);
    if (std::ssize(sizes) - singles < 2) {
      EXPECT_NE(e.reason.find("two classes of at least two texts"), std::string::npos) << e.reason;
      EXPECT_EQ(e.texts, 0);
      continue;
    }
    EXPECT_EQ(e.classes, std::ssize(sizes) - singles);
    EXPECT_EQ(e.texts + e.texts_left_out, std::ssize(sample.labels));
    const Eigen::MatrixXd h = columns_of(sample, group.rows);
    const PlainScatter plain = plain_scatter(h, group.classes, group.num_classes());
    EXPECT_NEAR(e.within.value().value, plain.within, 1e-9);
    EXPECT_NEAR(e.between.value().value, plain.between, 1e-9);
    EXPECT_NEAR(e.nc1_traces.value().value, plain.within / plain.between, 1e-9 * plain.within / plain.between);
    EXPECT_NEAR(e.nc2.value().value, plain.nc2, 1e-7);
    EXPECT_NEAR(e.accuracy.value().value, plain_accuracy(h, group), 1e-12);
  }
}

TEST(ClassResampling, EachResampleIsThatOfTextsDrawnSoOften) {
  const Labels sizes = {5, 2, 9, 4};
  for (const std::int64_t dim : {2, 3, 30}) {
    const Sample sample = sample_of(sizes, dim, 0.5, 3);
    Labels rows;
    for (std::int64_t k = 0; k < std::ssize(sizes); ++k) {
      for (std::int64_t i = 0; i < std::ssize(sample.labels); ++i) {
        if (sample.labels[static_cast<std::size_t>(i)] == k) rows.push_back(i);
      }
    }
    Eigen::MatrixXd h = columns_of(sample, rows);
    h.colwise() -= Eigen::VectorXd(h.rowwise().mean());
    const ClassResamples found = resample_classes(h, sizes, {.resamples = 30, .seed = 5});
    ASSERT_EQ(found.within.size(), 30U);
    ASSERT_EQ(found.nc1.size(), 30U);
    std::mt19937_64 generator(5);
    for (std::size_t resample = 0; resample < 30; ++resample) {
      Labels classes;
      std::vector<Eigen::Index> drawn;
      std::int64_t first = 0;
      for (std::size_t k = 0; k < sizes.size(); ++k) {
        for (std::int64_t draw = 0; draw < sizes[k]; ++draw) {
          drawn.push_back(first + static_cast<Eigen::Index>(generator() % static_cast<std::uint64_t>(sizes[k])));
          classes.push_back(static_cast<std::int64_t>(k));
        }
        first += sizes[k];
      }
      Eigen::MatrixXd repeated(h.rows(), std::ssize(drawn));
      for (std::size_t i = 0; i < drawn.size(); ++i) repeated.col(static_cast<Eigen::Index>(i)) = h.col(drawn[i]);
      const PlainScatter plain = plain_scatter(repeated, classes, std::ssize(sizes));
      EXPECT_NEAR(found.within[resample], plain.within, 1e-9);
      EXPECT_NEAR(found.between[resample], plain.between, 1e-9);
      EXPECT_NEAR(found.nc2[resample], plain.nc2, 1e-6);
      const Sample as_sample{dim,
                             [&] {
                               std::vector<float> values;
                               for (Eigen::Index i = 0; i < repeated.size(); ++i)
                                 values.push_back(static_cast<float>(repeated.data()[i]));
                               return values;
                             }(),
                             classes};
      const ClassEstimate e = measure_classes(as_sample.view(), as_sample.group(), {.resamples = 0}).estimate;
      EXPECT_NEAR(found.nc1[resample] / e.nc1.value().value, 1, 1e-3);
    }
  }
}

// The class means are the same in every corpus, so what an interval should hold is the mean of the measure over
// corpora.
TEST(ClassResampling, IntervalsHoldTheTruth) {
  constexpr int kCorpora = 400;
  const Labels sizes = {12, 12, 12, 12, 12};
  const Eigen::Index dim = 6;
  std::mt19937_64 generator(17);
  Eigen::MatrixXd means(dim, std::ssize(sizes));
  for (Eigen::Index i = 0; i < means.size(); ++i) means.data()[i] = gaussian(generator);
  Labels classes;
  for (std::int64_t k = 0; k < std::ssize(sizes); ++k) classes.insert(classes.end(), 12, k);
  const auto corpus = [&] {
    Eigen::MatrixXd h(dim, std::ssize(classes));
    for (Eigen::Index i = 0; i < h.cols(); ++i) {
      for (Eigen::Index d = 0; d < dim; ++d)
        h(d, i) = means(d, classes[static_cast<std::size_t>(i)]) + gaussian(generator);
    }
    return h;
  };
  double truth = 0;
  for (int i = 0; i < 4000; ++i) {
    const PlainScatter plain = plain_scatter(corpus(), classes, std::ssize(sizes));
    truth += plain.within / plain.between / 4000;
  }
  int held = 0;
  for (int i = 0; i < kCorpora; ++i) {
    Eigen::MatrixXd h = corpus();
    const PlainScatter plain = plain_scatter(h, classes, std::ssize(sizes));
    h.colwise() -= Eigen::VectorXd(h.rowwise().mean());
    const auto resamples = resample_classes(h, sizes, {.resamples = 200, .seed = static_cast<std::uint64_t>(i)});
    const Interval interval =
        centred_interval(plain.within / plain.between, resamples.nc1_traces, {.units = 60, .strata = 5});
    held += interval.low <= truth && truth <= interval.high ? 1 : 0;
  }
  EXPECT_GE(held, kCorpora * 90 / 100);
  EXPECT_LE(held, kCorpora * 98 / 100);
}

TEST(ClassMeasures, AThousandClassesOfTwo) {
  const Sample sample = sample_of(Labels(1000, 2), 8, 0.1, 1);
  const ClassEstimate e = measure_classes(sample.view(), sample.group(), {.resamples = 10}).estimate;
  EXPECT_EQ(e.classes, 1000);
  EXPECT_EQ(e.held_out_texts, 1000);
  EXPECT_TRUE(e.reason.empty());
  EXPECT_GT(e.accuracy.value().value, 0.5);
  expect_sound(e);
}

TEST(ClassMeasures, HaveAnAnswerWhereThereIsLittle) {
  struct Case {
    const char* what;
    Sample sample;
    const char* reason;
  };
  const auto constant = [](Labels labels) { return Sample{3, std::vector<float>(3 * labels.size(), 0.1F), labels}; };
  const std::vector<Case> cases = {
      {"nothing", {3, {}, {}}, "of 0 classes here, 0 have"},
      {"one class", sample_of({9}, 3, 1, 1), "of 1 class here, 1 has"},
      {"classes of one text", sample_of({1, 1, 1, 1}, 3, 1, 1), "of 4 classes here, 0 have"},
      {"one class of several texts", sample_of({1, 5, 1}, 3, 1, 1), "of 3 classes here, 1 has"},
      {"one point", constant({0, 1, 0, 1, 2, 2}), "the means of all classes are alike"},
      {"two classes", sample_of({2, 2}, 5, 1, 1), ""},
      {"duplicates", sample_of({4, 4, 4}, 5, 0, 1), ""},
      {"one dimension", sample_of({3, 4, 5}, 1, 1, 1), ""},
      {"far from the origin",
       [] {
         Sample far = sample_of({6, 6}, 4, 0.01, 1);
         for (float& value : far.values) value += 1000;
         return far;
       }(),
       ""},
  };
  for (const Case& one : cases) {
    SCOPED_TRACE(one.what);
    for (const int resamples : {0, 1, 100}) {
      const ClassMeasures found = measure_classes(one.sample.view(), one.sample.group(), {.resamples = resamples});
      expect_sound(found.estimate);
      EXPECT_NE(found.estimate.reason.find(one.reason), std::string::npos) << found.estimate.reason;
      EXPECT_EQ(found.estimate.reason.empty(), std::string(one.reason).empty());
    }
  }
  const ClassEstimate two = measure_classes(cases[5].sample.view(), cases[5].sample.group(), {}).estimate;
  EXPECT_NEAR(two.nc2.value().value, 0, 1e-12) << "two points are a simplex";
  const ClassEstimate equal = measure_classes(cases[6].sample.view(), cases[6].sample.group(), {}).estimate;
  EXPECT_NEAR(equal.nc1_traces.value().value, 0, 1e-12);
  EXPECT_EQ(equal.accuracy.value().low, 1);
}

TEST(ClassMeasures, TheDealIsSeededStratifiedAndApart) {
  const Sample sample = sample_of({7, 2, 10, 1, 3}, 4, 1, 2);
  const ClassGroup group = sample.group(3);
  EXPECT_EQ(group.sizes, (Labels{7, 2, 10, 3}));
  std::set<std::size_t> all(group.fitted.begin(), group.fitted.end());
  EXPECT_EQ(all.size(), 4U + 1 + 5 + 2);
  for (const std::size_t place : group.held_out) EXPECT_TRUE(all.insert(place).second) << "both fitted and judged";
  EXPECT_EQ(all.size(), group.rows.size());
  EXPECT_EQ(sample.group(3).rows, group.rows);
  EXPECT_NE(sample.group(4).rows, group.rows);
  for (std::size_t i = 0; i < group.rows.size(); ++i) {
    const std::int64_t label = sample.labels[static_cast<std::size_t>(group.rows[i])];
    EXPECT_EQ(group.classes[i], label == 4 ? 3 : label);
  }
}

TEST(ClassMeasures, CopiesAreDealtTogether) {
  // Class 0: five texts of two copies each; class 1: nine copies of one text and another; class 2: copies alone.
  Labels classes;
  Labels texts;
  for (std::int64_t i = 0; i < 10; ++i) {
    classes.insert(classes.end(), {0, 1, 2});
    texts.insert(texts.end(), {i % 5, i == 3 ? 11 : 10, 12});
  }
  Labels rows(classes.size());
  std::iota(rows.begin(), rows.end(), 0);
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const ClassGroup group = group_classes(rows, {classes, texts}, seed);
    const auto texts_at = [&](const std::vector<std::size_t>& places) {
      std::set<std::int64_t> found;
      for (const std::size_t place : places) found.insert(texts[static_cast<std::size_t>(group.rows[place])]);
      return found;
    };
    const auto fitted = texts_at(group.fitted);
    const auto held_out = texts_at(group.held_out);
    for (const std::int64_t text : held_out) EXPECT_FALSE(fitted.contains(text)) << "judged on what it was fitted on";
    EXPECT_EQ(fitted.size() + held_out.size(), 8U);
    EXPECT_EQ(held_out.size(), 2U + 1) << "of classes 0 and 1; class 2 has nothing else to be judged";
    EXPECT_TRUE(fitted.contains(12));
  }
  // Nothing but copies: scatters, and a reason in place of the rest.
  const Sample sample = sample_of({4, 4}, 3, 0, 1);
  Labels all(8);
  std::iota(all.begin(), all.end(), 0);
  const ClassEstimate e =
      measure_classes(sample.view(), group_classes(all, {sample.labels, sample.labels}, 1), {}).estimate;
  EXPECT_TRUE(e.nc1.has_value());
  EXPECT_FALSE(e.accuracy.has_value());
  EXPECT_NE(e.reason.find("no text is left to be judged"), std::string::npos) << e.reason;
}

TEST(ClassMeasures, ComparisonsArePaired) {
  const Sample tight = sample_of({20, 20, 20}, 6, 0.5, 4);
  Sample loose = sample_of({20, 20, 20}, 6, 1.0, 4);
  const ClassGroup group = tight.group();
  const BootstrapOptions options{.resamples = 300};
  const ClassMeasures a = measure_classes(loose.view(), group, options);
  const ClassMeasures b = measure_classes(tight.view(), group, options);
  const Interval ratio = nc1_ratio(a, b).value();
  EXPECT_NEAR(ratio.value, a.estimate.nc1_traces->value / b.estimate.nc1_traces->value, 1e-12);
  EXPECT_GT(ratio.low, 2);
  // The same texts twice as long: nothing changes, and every resample knows it.
  for (float& value : loose.values) value *= 2;
  const ClassMeasures longer = measure_classes(loose.view(), group, options);
  const Interval same = nc1_ratio(a, longer).value();
  EXPECT_NEAR(same.low, 1, 1e-9);
  EXPECT_NEAR(same.high, 1, 1e-9);
  const Interval none = accuracy_difference(a, longer, options).value();
  EXPECT_EQ(none.low, 0);
  EXPECT_EQ(none.high, 0);
  EXPECT_FALSE(nc1_ratio(a, ClassMeasures{}).has_value());
  EXPECT_FALSE(accuracy_difference(a, ClassMeasures{}, options).has_value());
}

}  // namespace
}  // namespace treble::internal
