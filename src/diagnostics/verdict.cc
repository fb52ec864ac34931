#include "diagnostics/verdict.h"

#include <fmt/format.h>

#include <optional>
#include <utility>

namespace treble {

namespace {

/// Fewer texts give intervals that say nothing.
constexpr std::int64_t kEnoughTexts = 10;

using Row = std::vector<CosineEstimate>;

/// The shortest and the longest group with enough texts, when these are two.
std::optional<std::pair<std::size_t, std::size_t>> ends(const Row& row) {
  std::optional<std::size_t> first;
  std::size_t last = 0;
  for (std::size_t index = 0; index < row.size(); ++index) {
    if (row[index].texts < kEnoughTexts) continue;
    if (!first) first = index;
    last = index;
  }
  if (!first || *first == last) return std::nullopt;
  return std::pair(*first, last);
}

std::string compare(const CosineEstimate& short_texts, const CosineEstimate& long_texts) {
  if (long_texts.low > short_texts.high) return "more alike than";
  if (long_texts.high < short_texts.low) return "less alike than";
  return "not clearly more or less alike than";
}

std::string range(const LengthBucket& bucket) { return fmt::format("{} to {}", bucket.min_tokens, bucket.max_tokens); }

std::string about_buckets(const CollapseReport& report) {
  const Row& row = report.bucket_cosine.front();
  const auto found = ends(row);
  if (!found) {
    return fmt::format("Too few texts of different lengths to compare: at least {} are needed in two buckets.",
                       kEnoughTexts);
  }
  const auto [a, b] = *found;
  return fmt::format("Texts of {} tokens are {} texts of {} tokens: mean cosine {:.3f} against {:.3f}.",
                     range(report.buckets[b]), compare(row[a], row[b]), range(report.buckets[a]), row[b].mean,
                     row[a].mean);
}

std::string about_cuts(const CollapseReport& report) {
  if (report.cut_lengths.size() < 2 || report.cut_texts < kEnoughTexts) return {};
  const Row& row = report.cut_cosine.front();
  return fmt::format(" The same {} texts read to {} tokens are {} when cut at {}: {:.3f} against {:.3f}.",
                     report.cut_texts, report.cut_lengths.back(), compare(row.front(), row.back()),
                     report.cut_lengths.front(), row.back().mean, row.front().mean);
}

std::string about_temperatures(const CollapseReport& report) {
  const auto found = ends(report.bucket_cosine.front());
  if (!found) return {};
  std::string text;
  for (std::size_t t = 1; t < report.temperatures.size(); ++t) {
    text += fmt::format(" At temperature {} the longer ones are at {:.3f}, the shorter ones at {:.3f}.",
                        report.temperatures[t], report.bucket_cosine[t][found->second].mean,
                        report.bucket_cosine[t][found->first].mean);
  }
  return text;
}

}  // namespace

std::string describe_collapse(const CollapseReport& report) {
  return about_buckets(report) + about_cuts(report) + about_temperatures(report);
}

}  // namespace treble
