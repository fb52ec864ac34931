#include <algorithm>
#include <utility>

#include "evaluation/logistic_regression.h"
#include "evaluation/training_samples.h"
#include "sweep/sweep_task.h"
#include "sweep/task_vectors.h"

namespace treble::internal {

namespace {

/// As mteb.
constexpr std::size_t kExperiments = 10;

std::vector<std::string> chosen_texts(const std::vector<std::string>& texts, const std::vector<std::size_t>& places) {
  std::vector<std::string> chosen;
  chosen.reserve(places.size());
  for (const std::size_t place : places) chosen.push_back(texts[place]);
  return chosen;
}

/// What is encoded of the training texts: only those that some experiment trains on.
std::vector<std::size_t> union_of(const std::vector<std::vector<std::size_t>>& samples) {
  std::vector<std::size_t> places;
  for (const auto& sample : samples) places.insert(places.end(), sample.begin(), sample.end());
  std::sort(places.begin(), places.end());
  places.erase(std::unique(places.begin(), places.end()), places.end());
  return places;
}

class ClassificationTask : public SweepTask {
 public:
  ClassificationTask(LabelData data, const CachedEncoder& encoder, SweepTaskOptions options)
      : data_(std::move(data)),
        options_(std::move(options)),
        normalize_(encoder.normalizes()),
        samples_(training_samples(data_.train_labels, options_.samples_per_label, kExperiments)),
        places_(union_of(samples_)),
        training_texts_(chosen_texts(data_.train, places_)),
        train_(encoder, training_texts_, {}),
        texts_(encoder, data_.texts, {}) {
    for (auto& sample : samples_) {
      for (std::size_t& place : sample) {
        place = static_cast<std::size_t>(std::lower_bound(places_.begin(), places_.end(), place) - places_.begin());
      }
    }
  }

  std::string metric_name() const override { return "accuracy"; }
  std::size_t items() const override { return data_.texts.size(); }
  std::size_t texts() const override { return training_texts_.size() + items(); }
  const std::vector<std::int64_t>& lengths() const override { return lengths_; }
  const TaskReading& reading() const override { return reading_; }

  void add(const SweepSetting& setting) override {
    CachedVectors train = train_.encode(setting, true);
    CachedVectors judged = texts_.encode(setting, true);
    if (lengths_.empty()) lengths_ = texts_.tokens();
    if (setting.post) {
      // Of the training texts, which belong to no fold, and without their labels.
      PostFitter fitter(train.dim);
      fitter.add(train.values, train.tokens);
      const PostTransform transform = fitter.fit(*setting.post, {});
      train = transformed(transform, train, normalize_);
      judged = transformed(transform, judged, normalize_);
    }
    std::vector<double> correct(items());
    std::vector<std::vector<bool>> right;
    right.reserve(samples_.size());
    for (const auto& sample : samples_) {
      const auto predicted = classify(train, sample, judged);
      std::vector<bool>& of_sample = right.emplace_back(items());
      for (std::size_t item = 0; item < items(); ++item) {
        of_sample[item] = predicted[item] == data_.labels[item];
        correct[item] += of_sample[item] ? 1.0 / kExperiments : 0;
      }
    }
    correct_.push_back(std::move(correct));
    right_.push_back(std::move(right));
    reading_.documents.push_back(sum_of(train_.reading(setting), texts_.reading(setting)));
  }

  std::optional<double> metric(std::size_t setting, std::span<const std::size_t> items) const override {
    double sum = 0;
    for (const std::size_t item : items) sum += correct_[setting][item];
    return items.empty() ? std::nullopt : std::optional(sum / static_cast<double>(items.size()));
  }

  /// All settings train on the same texts.
  MetricRuns runs() const override {
    return {kExperiments, true,
            [this](std::size_t setting, std::span<const std::size_t> items, std::span<const std::size_t> experiments) {
              return accuracy(setting, items, experiments);
            }};
  }

  bool scores_are_metric() const override { return true; }
  std::string item_id(std::size_t item) const override { return std::to_string(item); }
  double item_score(std::size_t setting, std::size_t item) const override { return correct_[setting][item]; }
  void give_rankings(SweepReport&) override {}
  std::vector<std::pair<std::string, double>> other_metrics(std::size_t) const override { return {}; }
  std::optional<double> overlap(std::size_t, std::span<const std::size_t>) const override { return std::nullopt; }

 private:
  std::optional<double> accuracy(std::size_t setting, std::span<const std::size_t> items,
                                 std::span<const std::size_t> experiments) const {
    if (items.empty()) return std::nullopt;
    std::size_t right = 0;
    for (const std::size_t experiment : experiments) {
      const std::vector<bool>& of_experiment = right_[setting][experiment];
      for (const std::size_t item : items) right += of_experiment[item] ? 1 : 0;
    }
    return static_cast<double>(right) / static_cast<double>(items.size() * experiments.size());
  }

  /// Labels that no training text has are never given; those that are left are numbered anew for the classifier.
  std::vector<std::int64_t> classify(const CachedVectors& train, const std::vector<std::size_t>& sample,
                                     const CachedVectors& judged) const {
    std::vector<std::int64_t> known;
    known.reserve(sample.size());
    for (const std::size_t place : sample) known.push_back(data_.train_labels[places_[place]]);
    std::sort(known.begin(), known.end());
    known.erase(std::unique(known.begin(), known.end()), known.end());
    std::vector<std::int64_t> classes;
    for (const std::size_t place : sample) {
      const std::int64_t label = data_.train_labels[places_[place]];
      classes.push_back(std::lower_bound(known.begin(), known.end(), label) - known.begin());
    }
    const LogisticRegression classifier(rows_of(train, sample).values, classes, known.size());
    auto predicted = classifier.predict(judged.values);
    for (std::int64_t& one : predicted) one = known[static_cast<std::size_t>(one)];
    return predicted;
  }

  LabelData data_;
  SweepTaskOptions options_;
  bool normalize_;                                 ///< vectors after a fitted step
  std::vector<std::vector<std::size_t>> samples_;  ///< [experiment]: places in training_texts_
  std::vector<std::size_t> places_;                ///< of training_texts_ in the data
  std::vector<std::string> training_texts_;
  SideEncoder train_;
  SideEncoder texts_;
  std::vector<std::int64_t> lengths_;
  TaskReading reading_;
  std::vector<std::vector<double>> correct_;           ///< [setting][item]: share of the experiments
  std::vector<std::vector<std::vector<bool>>> right_;  ///< [setting][experiment][item]
};

}  // namespace

std::unique_ptr<SweepTask> make_classification_task(LabelData data, const CachedEncoder& encoder,
                                                    SweepTaskOptions options) {
  return std::make_unique<ClassificationTask>(std::move(data), encoder, std::move(options));
}

}  // namespace treble::internal
