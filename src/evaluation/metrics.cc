#include "treble/evaluation.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace treble {

namespace {

double grade_of(const Judgements& relevant, std::int64_t document) {
  for (const auto& [judged, grade] : relevant) {
    if (judged == document) return grade;
  }
  return 0;
}

double discount(std::size_t place) { return 1 / std::log2(static_cast<double>(place) + 2); }

double ideal_gain(const Judgements& relevant, std::size_t k) {
  std::vector<double> grades;
  for (const auto& [document, grade] : relevant) grades.push_back(grade);
  std::sort(grades.begin(), grades.end(), std::greater<>());
  double sum = 0;
  for (std::size_t i = 0; i < std::min(k, grades.size()); ++i) sum += grades[i] * discount(i);
  return sum;
}

/// Ranks from 1, equal values at their mean.
std::vector<double> mean_ranks(std::span<const double> values) {
  std::vector<std::size_t> order(values.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return values[a] < values[b]; });
  std::vector<double> ranks(values.size());
  for (std::size_t begin = 0; begin < order.size();) {
    std::size_t end = begin;
    while (end < order.size() && values[order[end]] == values[order[begin]]) ++end;
    const double mean = static_cast<double>(begin + end + 1) / 2;
    for (; begin < end; ++begin) ranks[order[begin]] = mean;
  }
  return ranks;
}

}  // namespace

std::vector<std::int64_t> rank_documents(std::span<const float> scores, std::span<const std::string> ids,
                                         std::int64_t k) {
  std::vector<std::int64_t> order(scores.size());
  std::iota(order.begin(), order.end(), 0);
  const auto count = std::min<std::int64_t>(k, static_cast<std::int64_t>(order.size()));
  std::partial_sort(order.begin(), order.begin() + count, order.end(), [&](std::int64_t a, std::int64_t b) {
    const auto i = static_cast<std::size_t>(a);
    const auto j = static_cast<std::size_t>(b);
    return scores[i] != scores[j] ? scores[i] > scores[j] : ids[i] > ids[j];
  });
  order.resize(static_cast<std::size_t>(count));
  return order;
}

RankingMetrics ranking_metrics(std::span<const std::int64_t> ranking, const Judgements& relevant, std::int64_t k) {
  RankingMetrics metrics;
  if (relevant.empty()) return metrics;
  const auto cut = static_cast<std::size_t>(k);
  double found = 0;
  for (std::size_t place = 0; place < std::min(cut, ranking.size()); ++place) {
    const double grade = grade_of(relevant, ranking[place]);
    if (grade <= 0) continue;
    ++found;
    metrics.ndcg += grade * discount(place);
    metrics.average_precision += found / static_cast<double>(place + 1);
    if (metrics.reciprocal_rank == 0) metrics.reciprocal_rank = 1 / static_cast<double>(place + 1);
  }
  const auto total = static_cast<double>(relevant.size());
  metrics.ndcg /= ideal_gain(relevant, cut);
  metrics.recall = found / total;
  metrics.average_precision /= total;
  return metrics;
}

std::optional<double> spearman(std::span<const double> a, std::span<const double> b) {
  const auto x = mean_ranks(a);
  const auto y = mean_ranks(b);
  const double middle = (static_cast<double>(a.size()) + 1) / 2;
  double xy = 0;
  double xx = 0;
  double yy = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    xy += (x[i] - middle) * (y[i] - middle);
    xx += (x[i] - middle) * (x[i] - middle);
    yy += (y[i] - middle) * (y[i] - middle);
  }
  if (xx <= 0 || yy <= 0) return std::nullopt;
  return xy / std::sqrt(xx * yy);
}

std::optional<double> average_precision(std::span<const double> scores, std::span<const double> labels) {
  std::vector<std::size_t> order(scores.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return scores[a] > scores[b]; });
  const auto positives =
      static_cast<double>(std::count_if(labels.begin(), labels.end(), [](double l) { return l > 0.5; }));
  if (positives == 0) return std::nullopt;
  double found = 0;
  double area = 0;
  for (std::size_t begin = 0; begin < order.size();) {
    // Equal scores fall at one threshold.
    std::size_t end = begin;
    double here = 0;
    for (; end < order.size() && scores[order[end]] == scores[order[begin]]; ++end)
      here += labels[order[end]] > 0.5 ? 1 : 0;
    found += here;
    area += here / positives * found / static_cast<double>(end);
    begin = end;
  }
  return area;
}

}  // namespace treble
