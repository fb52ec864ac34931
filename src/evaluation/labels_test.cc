// Classification and clustering against mteb's own sampling and scikit-learn (tools/golden/labels.py).
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <string>
#include <vector>

#include "base/json_file.h"
#include "base/test_folder.h"
#include "evaluation/clustering.h"
#include "evaluation/logistic_regression.h"
#include "evaluation/training_samples.h"
#include "treble/error.h"
#include "treble/evaluation.h"

namespace treble::internal {
namespace {

using Numbers = std::vector<std::int64_t>;

nlohmann::json expected(const char* key) {
  return parse_json_file(std::string(TREBLE_SOURCE_DIR) + "/tests/golden/labels.json").at(key);
}

TEST(Labels, TrainingTextsAreThoseOfMteb) {
  for (const auto& one : expected("samples")) {
    const auto samples = one.at("samples").get<std::vector<std::vector<std::size_t>>>();
    EXPECT_EQ(training_samples(one.at("labels").get<Numbers>(), one.at("per_label").get<std::size_t>(), samples.size()),
              samples);
  }
}

TEST(Labels, LogisticRegressionEqualsScikitLearn) {
  for (const auto& one : expected("regression")) {
    const auto classes = one.at("classes").get<std::size_t>();
    SCOPED_TRACE(classes);
    const LogisticRegression classifier(one.at("train").get<std::vector<float>>(), one.at("labels").get<Numbers>(),
                                        classes);
    const auto judged = one.at("judged").get<std::vector<float>>();
    const auto probabilities = classifier.probabilities(judged);
    const auto exact = one.at("probabilities").get<std::vector<double>>();
    ASSERT_EQ(probabilities.size(), exact.size());
    for (std::size_t i = 0; i < exact.size(); ++i) EXPECT_NEAR(probabilities[i], exact[i], 1e-5);
    EXPECT_EQ(classifier.predict(judged), one.at("predicted").get<Numbers>());
  }
}

TEST(Labels, KMeansEqualsScikitLearn) {
  for (const auto& one : expected("clustering")) {
    const auto clusters = k_means(one.at("rows").get<std::vector<float>>(), one.at("dim").get<std::size_t>(),
                                  one.at("centres").get<std::vector<double>>());
    EXPECT_EQ(clusters, one.at("clusters").get<Numbers>());
    EXPECT_NEAR(v_measure(one.at("labels").get<Numbers>(), clusters), one.at("v_measure").get<double>(), 1e-12);
  }
}

TEST(Labels, KMeansLeavesNoClusterEmpty) {
  // Three centres at one place: two of them have no row at first.
  const std::vector<float> rows = {0, 0, 0, 1, 5, 5, 5, 6, 9, 0, 9, 1};
  const auto clusters = k_means(rows, 2, {4, 4, 4, 4, 4, 4});
  EXPECT_EQ(std::set<std::int64_t>(clusters.begin(), clusters.end()).size(), 3U);
  EXPECT_EQ(clusters[0], clusters[1]);
  EXPECT_EQ(clusters[2], clusters[3]);
}

TEST(Labels, CentresToBeginWithAreRowsAndFarApart) {
  std::vector<float> rows;
  for (int row = 0; row < 60; ++row) rows.insert(rows.end(), {static_cast<float>(100 * (row % 3)), 0.01F * row});
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const auto centres = spread_centres(rows, 2, 3, seed);
    std::vector<double> places = {centres[0], centres[2], centres[4]};
    std::sort(places.begin(), places.end());
    EXPECT_EQ(places, (std::vector<double>{0, 100, 200})) << seed;
    EXPECT_EQ(centres, spread_centres(rows, 2, 3, seed));
  }
  EXPECT_NE(spread_centres(rows, 2, 3, 0), spread_centres(rows, 2, 3, 1));
}

TEST(Labels, KMeansBeginsAsWellAsInScikitLearn) {
  for (const auto& one : expected("seeding")) {
    const auto rows = one.at("rows").get<std::vector<float>>();
    const auto clusters = one.at("clusters").get<std::size_t>();
    constexpr std::uint64_t kSeeds = 1000;
    double sum = 0;
    for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
      const auto centres = spread_centres(rows, 2, clusters, seed);
      for (std::size_t row = 0; row < rows.size(); row += 2) {
        double nearest = std::numeric_limits<double>::infinity();
        for (std::size_t c = 0; c < centres.size(); c += 2) {
          nearest =
              std::min(nearest, std::pow(rows[row] - centres[c], 2) + std::pow(rows[row + 1] - centres[c + 1], 2));
        }
        sum += nearest;
      }
    }
    const auto potential = one.at("potential").get<double>();
    EXPECT_NEAR(sum / kSeeds, potential, 0.05 * potential);
    EXPECT_GT(one.at("potential_of_one_candidate").get<double>(), 1.2 * potential) << "shows nothing";
  }
}

TEST(Labels, VMeasureEqualsScikitLearn) {
  for (const auto& one : expected("agreements")) {
    EXPECT_NEAR(v_measure(one.at("labels").get<Numbers>(), one.at("clusters").get<Numbers>()),
                one.at("v_measure").get<double>(), 1e-12)
        << one.dump();
  }
}

TEST(Labels, FilesAreReadAsMtebWritesThem) {
  const test::TestFolder folder;
  const auto write = [&](const char* name, const std::string& content) {
    test::write_all(folder.path() / name, content);
    return folder.path() / name;
  };
  const auto one = write("one.jsonl",
                         "{\"text\": \"a\", \"label\": 3, \"label_text\": \"sea\"}\n"
                         "{\"sentences\": \"b\", \"labels\": \"wind\"}\n");
  EXPECT_TRUE(is_labelled(one));
  const LabelData clustered = read_labels(one);
  EXPECT_EQ(clustered.names, (std::vector<std::string>{"3", "wind"}));
  EXPECT_EQ(clustered.labels, (Numbers{0, 1}));
  EXPECT_TRUE(clustered.train.empty());
  write("train.jsonl", "{\"text\": \"c\", \"label\": 1}\n{\"text\": \"d\", \"label\": 0}\n");
  write("test.jsonl", "{\"text\": \"e\", \"label\": 2}\n{\"text\": \"f\", \"label\": 1}\n");
  EXPECT_TRUE(is_labelled(folder.path()));
  const LabelData classified = read_labels(folder.path());
  EXPECT_EQ(classified.train_labels, (Numbers{1, 0}));
  EXPECT_EQ(classified.labels, (Numbers{2, 1}));
  EXPECT_EQ(classified.names.size(), 3U);
  EXPECT_THROW(read_labels(folder.path(), "validation"), Error);
  EXPECT_THROW(read_labels(write("list.jsonl", "{\"sentences\": [\"a\"], \"labels\": [1]}\n")), Error);
  EXPECT_THROW(read_labels(write("same.jsonl", "{\"text\": \"a\", \"label\": 1}\n{\"text\": \"b\", \"label\": 1}\n")),
               Error);
  EXPECT_FALSE(is_labelled(write("pairs.jsonl", "{\"sentence1\": \"a\", \"sentence2\": \"b\", \"label\": 1}\n")));
}

}  // namespace
}  // namespace treble::internal
