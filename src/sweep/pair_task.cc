#include <algorithm>
#include <string>
#include <utility>

#include "base/fail.h"
#include "evaluation/similarity.h"
#include "sweep/sweep_task.h"
#include "sweep/task_vectors.h"

namespace treble::internal {

namespace {

class PairTask : public SweepTask {
 public:
  PairTask(PairData data, const CachedEncoder& encoder, SweepTaskOptions options)
      : data_(std::move(data)),
        options_(std::move(options)),
        normalize_(encoder.normalizes()),
        first_(encoder, data_.first, {}),
        second_(encoder, data_.second, {}) {
    graded_ = std::any_of(data_.scores.begin(), data_.scores.end(), [](double s) { return s != 0 && s != 1; });
  }

  std::string metric_name() const override { return graded_ ? "Spearman" : "average precision"; }
  std::size_t items() const override { return data_.scores.size(); }
  std::size_t texts() const override { return 2 * items(); }
  const std::vector<std::int64_t>& lengths() const override { return lengths_; }
  const TaskReading& reading() const override { return reading_; }

  void add(const SweepSetting& setting) override {
    const CachedVectors first = first_.encode(setting, true);
    const CachedVectors second = second_.encode(setting, true);
    if (lengths_.empty()) {
      for (std::size_t i = 0; i < items(); ++i) lengths_.push_back(std::max(first_.tokens()[i], second_.tokens()[i]));
    }
    std::vector<double> scores(items());
    if (!setting.post) {
      score(first, second, indices_up_to(items()), scores);
    } else {
      for (const auto& fold : split_folds(items(), options_.folds)) {
        const PostTransform transform = fit(*setting.post, first, second, fold);
        score(transformed(transform, first, normalize_), transformed(transform, second, normalize_), fold, scores);
      }
    }
    Variation variation;
    for (const double value : scores) variation.add(static_cast<float>(value), "a pair");
    if (!variation.any()) {
      fail(ErrorCode::invalid_file,
           "{}: under the setting {} all {} pairs are equally similar ({:.6f}); {} is not defined", options_.data,
           setting.name(), items(), scores.front(), metric_name());
    }
    scores_.push_back(std::move(scores));
    reading_.documents.push_back(sum_of(first_.reading(setting), second_.reading(setting)));
  }

  std::optional<double> metric(std::size_t setting, std::span<const std::size_t> items) const override {
    std::vector<double> scores;
    std::vector<double> labels;
    for (const std::size_t item : items) {
      scores.push_back(scores_[setting][item]);
      labels.push_back(data_.scores[item]);
    }
    return graded_ ? spearman(scores, labels) : average_precision(scores, labels);
  }

  bool scores_are_metric() const override { return false; }
  std::string item_id(std::size_t item) const override { return std::to_string(item); }
  double item_score(std::size_t setting, std::size_t item) const override { return scores_[setting][item]; }
  void give_rankings(SweepReport&) override {}
  std::vector<std::pair<std::string, double>> other_metrics(std::size_t) const override { return {}; }
  std::optional<double> overlap(std::size_t, std::span<const std::size_t>) const override { return std::nullopt; }

 private:
  PostTransform fit(const PostSpec& spec, const CachedVectors& first, const CachedVectors& second,
                    std::span<const std::size_t> fold) const {
    std::vector<bool> held(items());
    for (const std::size_t item : fold) held[item] = true;
    const auto rest = indices_outside(held);
    PostFitter fitter(first.dim);
    for (const CachedVectors* side : {&first, &second}) {
      const CachedVectors chosen = rows_of(*side, rest);
      fitter.add(chosen.values, chosen.tokens);
    }
    return fitter.fit(spec, {});
  }

  void score(CachedVectors first, CachedVectors second, std::span<const std::size_t> chosen,
             std::vector<double>& scores) const {
    prepare(options_.similarity, first.values, first.dim);
    prepare(options_.similarity, second.values, second.dim);
    for (const std::size_t i : chosen) scores[i] = compare(options_.similarity, row(first, i), row(second, i));
  }

  PairData data_;
  SweepTaskOptions options_;
  bool normalize_;  ///< vectors after a fitted step
  SideEncoder first_;
  SideEncoder second_;
  bool graded_ = false;
  std::vector<std::int64_t> lengths_;
  TaskReading reading_;
  std::vector<std::vector<double>> scores_;  ///< [setting][pair]: how similar its texts are
};

}  // namespace

std::unique_ptr<SweepTask> make_pair_task(PairData data, const CachedEncoder& encoder, SweepTaskOptions options) {
  return std::make_unique<PairTask>(std::move(data), encoder, std::move(options));
}

}  // namespace treble::internal
