#include <algorithm>
#include <utility>

#include "evaluation/clustering.h"
#include "sweep/sweep_task.h"
#include "sweep/task_vectors.h"

namespace treble::internal {

namespace {

/// How often texts are clustered, from other centres each time.
constexpr std::size_t kClusterings = 10;

class ClusteringTask : public SweepTask {
 public:
  ClusteringTask(LabelData data, const CachedEncoder& encoder, SweepTaskOptions options)
      : data_(std::move(data)),
        options_(std::move(options)),
        normalize_(encoder.normalizes()),
        texts_(encoder, data_.texts, {}) {}

  std::string metric_name() const override { return "V-measure"; }
  std::size_t items() const override { return data_.texts.size(); }
  std::size_t texts() const override { return items(); }
  const std::vector<std::int64_t>& lengths() const override { return lengths_; }
  const TaskReading& reading() const override { return reading_; }

  void add(const SweepSetting& setting) override {
    CachedVectors vectors = texts_.encode(setting, true);
    if (lengths_.empty()) lengths_ = texts_.tokens();
    if (setting.post) {
      PostFitter fitter(vectors.dim);
      fitter.add(vectors.values, vectors.tokens);
      vectors = transformed(fitter.fit(*setting.post, {}), vectors, normalize_);
    }
    const auto dim = static_cast<std::size_t>(vectors.dim);
    std::vector<std::vector<std::int64_t>> runs;
    runs.reserve(kClusterings);
    for (std::size_t run = 0; run < kClusterings; ++run) {
      runs.push_back(k_means(vectors.values, dim, spread_centres(vectors.values, dim, data_.names.size(), run)));
    }
    shares_.push_back(shares_of(runs));
    clusters_.push_back(std::move(runs));
    reading_.documents.push_back(texts_.reading(setting));
  }

  std::optional<double> metric(std::size_t setting, std::span<const std::size_t> items) const override {
    return mean_over(all_runs_, setting, items);
  }

  /// The clusterings of two settings have nothing in common, though they begin with the same numbers.
  MetricRuns runs() const override {
    return {kClusterings, false,
            [this](std::size_t setting, std::span<const std::size_t> items, std::span<const std::size_t> runs) {
              return mean_over(runs, setting, items);
            }};
  }

  bool scores_are_metric() const override { return false; }
  std::string item_id(std::size_t item) const override { return std::to_string(item); }

  /// The share of the clusterings in which its label is the most frequent one of its cluster.
  double item_score(std::size_t setting, std::size_t item) const override { return shares_[setting][item]; }

  void give_rankings(SweepReport&) override {}
  std::vector<std::pair<std::string, double>> other_metrics(std::size_t) const override { return {}; }
  std::optional<double> overlap(std::size_t, std::span<const std::size_t>) const override { return std::nullopt; }

 private:
  /// V-measure of the items, the mean over these clusterings.
  std::optional<double> mean_over(std::span<const std::size_t> runs, std::size_t setting,
                                  std::span<const std::size_t> items) const {
    if (items.empty()) return std::nullopt;
    std::vector<std::int64_t> labels;
    labels.reserve(items.size());
    for (const std::size_t item : items) labels.push_back(data_.labels[item]);
    double sum = 0;
    std::vector<std::int64_t> clusters(items.size());
    for (const std::size_t run : runs) {
      const auto& of_run = clusters_[setting][run];
      for (std::size_t place = 0; place < items.size(); ++place) clusters[place] = of_run[items[place]];
      sum += v_measure(labels, clusters);
    }
    return sum / static_cast<double>(runs.size());
  }

  std::vector<double> shares_of(const std::vector<std::vector<std::int64_t>>& runs) const {
    const std::size_t names = data_.names.size();
    std::vector<double> shares(items());
    for (const auto& run : runs) {
      std::vector<std::size_t> counts(names * names);  // as many clusters as labels
      const auto count_of = [&](std::size_t item) -> std::size_t& {
        return counts[static_cast<std::size_t>(run[item]) * names + static_cast<std::size_t>(data_.labels[item])];
      };
      for (std::size_t item = 0; item < run.size(); ++item) ++count_of(item);
      for (std::size_t item = 0; item < run.size(); ++item) {
        const auto cluster = counts.begin() + static_cast<std::ptrdiff_t>(static_cast<std::size_t>(run[item]) * names);
        const bool most = *std::max_element(cluster, cluster + static_cast<std::ptrdiff_t>(names)) == count_of(item);
        shares[item] += most ? 1.0 / kClusterings : 0;
      }
    }
    return shares;
  }

  LabelData data_;
  SweepTaskOptions options_;
  bool normalize_;  ///< vectors after a fitted step
  SideEncoder texts_;
  const std::vector<std::size_t> all_runs_ = indices_up_to(kClusterings);
  std::vector<std::int64_t> lengths_;
  TaskReading reading_;
  std::vector<std::vector<double>> shares_;                       ///< [setting][item]: as item_score
  std::vector<std::vector<std::vector<std::int64_t>>> clusters_;  ///< [setting][clustering][item]
};

}  // namespace

std::unique_ptr<SweepTask> make_clustering_task(LabelData data, const CachedEncoder& encoder,
                                                SweepTaskOptions options) {
  return std::make_unique<ClusteringTask>(std::move(data), encoder, std::move(options));
}

}  // namespace treble::internal
