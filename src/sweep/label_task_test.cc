// What the judgement of labelled texts leaves to chance beside the texts.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <array>
#include <set>

#include "engine/suite_encoder.h"
#include "sweep/sweep_task.h"
#include "sweep/task_vectors.h"

namespace treble::internal {
namespace {

class LabelTask : public test::EncoderSuite {
 protected:
  /// Three labels that say little of the words, so that runs differ.
  static LabelData labelled(bool with_training) {
    const std::array<std::string, 7> words = {"harbour", "letter", "ship", "sea", "evening", "lamp", "wind"};
    LabelData data;
    data.names = {"a", "b", "c"};
    for (std::size_t i = 0; i < 60; ++i) {
      data.texts.push_back(fmt::format("{} {} {}", words[i % 7], words[i * 3 % 5], i % 4));
      data.labels.push_back(static_cast<std::int64_t>(i * i % 7 % 3));
      if (!with_training) continue;
      data.train.push_back(fmt::format("{} {}", words[i * 2 % 7], i % 5));
      data.train_labels.push_back(static_cast<std::int64_t>(i * 5 % 7 % 3));
    }
    return data;
  }

  static void expect_mean_of_runs(const SweepTask& task, bool shared) {
    const MetricRuns runs = task.runs();
    EXPECT_EQ(runs.count, 10U);
    EXPECT_EQ(runs.shared, shared);
    const auto all = indices_up_to(runs.count);
    for (const auto& items : {indices_up_to(task.items()), std::vector<std::size_t>{3, 4, 9, 9, 31, 40}}) {
      double sum = 0;
      std::set<double> different;
      for (const std::size_t run : all) {
        sum += runs.metric(0, items, std::array{run}).value();
        different.insert(runs.metric(0, items, std::array{run}).value());
      }
      EXPECT_GT(different.size(), 1U) << "so that this test tests something";
      EXPECT_NEAR(task.metric(0, items).value(), sum / 10, 1e-12);
      EXPECT_NEAR(runs.metric(0, items, all).value(), sum / 10, 1e-12);
      const std::array<std::size_t, 3> drawn = {2, 2, 7};
      const double expected = (2 * runs.metric(0, items, std::array{drawn[0]}).value() +
                               runs.metric(0, items, std::array{drawn[2]}).value()) /
                              3;
      EXPECT_NEAR(runs.metric(0, items, drawn).value(), expected, 1e-12);
    }
    EXPECT_EQ(runs.metric(0, {}, all), std::nullopt);
  }
};

TEST_F(LabelTask, ClusteringsAreEachSettingsOwn) {
  const SweepOptions sweep_options;
  const CachedEncoder encoder(*encoder_, sweep_options, [](std::size_t, bool) {});
  const auto task = make_clustering_task(labelled(false), encoder, {});
  task->add({});
  expect_mean_of_runs(*task, false);
}

TEST_F(LabelTask, ExperimentsAreSharedBySettings) {
  const SweepOptions sweep_options;
  const CachedEncoder encoder(*encoder_, sweep_options, [](std::size_t, bool) {});
  SweepTaskOptions options;
  options.samples_per_label = 4;
  const auto task = make_classification_task(labelled(true), encoder, options);
  task->add({});
  expect_mean_of_runs(*task, true);
}

}  // namespace
}  // namespace treble::internal
