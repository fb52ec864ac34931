#include "diagnostics/verdict.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "diagnostics/state_growth.h"

namespace treble::internal {

namespace {

/// Fewer texts give intervals that say nothing.
constexpr std::int64_t kEnoughTexts = 10;
/// Cosines near 0 are no base for a ratio: 0.02 and 0.10 are hardly alike either way, and not five times so.
constexpr double kMinForRatio = 0.05;
/// Nor are those whose interval reaches below this share of them: the ratio would be half or twice as high by chance.
constexpr double kMinCertainShare = 0.5;
/// A ratio that rounds to 1.0 is beyond chance where the texts are many, and still no collapse.
constexpr double kMinVisibleRatio = 1.05;
/// The same where there is no ratio.
constexpr double kMinVisibleDifference = kMinForRatio * (kMinVisibleRatio - 1);

using Row = std::vector<CosineEstimate>;

std::optional<double> ratio_of(const CosineEstimate& longer, const CosineEstimate& shorter) {
  if (shorter.mean < kMinForRatio || shorter.low < kMinCertainShare * shorter.mean) return std::nullopt;
  return longer.mean / shorter.mean;
}

bool above(const CosineEstimate& a, const CosineEstimate& b) { return a.low > b.high; }

/// What the verdict is about: the cosines between texts, or those between the token vectors within a text.
const std::vector<Row>& by_bucket(const CollapseReport& report) {
  return report.token_vectors ? report.token_vectors->token_cosine : report.bucket_cosine;
}

const std::vector<Row>& by_cut(const CollapseReport& report) {
  return report.token_vectors ? report.token_vectors->cut_token_cosine : report.cut_cosine;
}

/// How the verdict begins, and what it compares.
struct Wording {
  const char* visible;
  const char* small;
  const char* less;
  const char* unclear;
  const char* compared;
};

constexpr Wording kBetweenTexts = {.visible = "Length collapse is visible",
                                   .small = "No length collapse to speak of",
                                   .less = "No length collapse here",
                                   .unclear = "No length collapse is visible",
                                   .compared = "texts of"};
constexpr Wording kWithinTexts = {.visible = "Token vectors draw together with length",
                                  .small = "Token vectors hardly draw together with length",
                                  .less = "Token vectors do not draw together with length",
                                  .unclear = "Token vectors are not seen to draw together with length",
                                  .compared = "those within texts of"};

std::string range(const LengthBucket& bucket) { return fmt::format("{} to {}", bucket.min_tokens, bucket.max_tokens); }

std::string about_buckets(const CollapseReport& report) {
  const CollapseFindings& findings = report.findings;
  if (report.texts == 0) return "There are no texts.";
  if (report.texts == 1) return "There is one text; comparing needs two.";
  if (!findings.compared) {
    return fmt::format("Too few texts of different lengths to compare: at least {} are needed in two length buckets.",
                       kEnoughTexts);
  }
  const CosineEstimate& shorter = by_bucket(report).front()[findings.short_bucket];
  const CosineEstimate& longer = by_bucket(report).front()[findings.long_bucket];
  const Wording& words = report.token_vectors ? kWithinTexts : kBetweenTexts;
  const auto named = [&](std::size_t bucket) {
    return fmt::format("{} {} tokens", words.compared, range(report.buckets[bucket]));
  };
  const std::string which = named(findings.long_bucket);
  const std::string other = named(findings.short_bucket);
  const std::string numbers =
      fmt::format("mean cosine {:.3f} [{:.3f}, {:.3f}] against {:.3f} [{:.3f}, {:.3f}]", longer.mean, longer.low,
                  longer.high, shorter.mean, shorter.low, shorter.high);
  const auto sentence = [&](const char* begin, const std::string& how, const char* than) {
    return fmt::format("{}: {} are {} similar to one another {} {} ({}).", begin, which, how, than, other, numbers);
  };
  if (findings.visible) {
    return findings.ratio ? sentence(words.visible, fmt::format("{:.1f} times as", *findings.ratio), "as")
                          : sentence(words.visible, "more", "than");
  }
  if (above(longer, shorter)) {
    return findings.ratio ? sentence(words.small, fmt::format("{:.3f} times as", *findings.ratio), "as")
                          : sentence(words.small, "hardly more", "than");
  }
  if (above(shorter, longer)) return sentence(words.less, "less", "than");
  return sentence(words.unclear, "not clearly more", "than");
}

/// What the score makes of it. A longer document has more vectors to choose the nearest from, and so scores higher with
/// anything.
std::string about_max_sim(const CollapseReport& report) {
  if (!report.token_vectors || !report.findings.compared) return {};
  const Row& row = report.token_vectors->max_sim.front();
  const CosineEstimate& shorter = row[report.findings.short_bucket];
  const CosineEstimate& longer = row[report.findings.long_bucket];
  return fmt::format(
      " MaxSim between different texts is {:.3f} [{:.3f}, {:.3f}] a query vector among the longer ones, {:.3f} "
      "[{:.3f}, "
      "{:.3f}] among the shorter.",
      longer.mean, longer.low, longer.high, shorter.mean, shorter.low, shorter.high);
}

std::string about_cuts(const CollapseReport& report) {
  if (report.cut_lengths.size() < 2 || report.cut_texts < kEnoughTexts) return {};
  const Row& row = by_cut(report).front();
  std::string text =
      fmt::format(" The same {} texts cut at {} and at {} tokens: {:.3f} and {:.3f}", report.cut_texts,
                  report.cut_lengths.front(), report.cut_lengths.back(), row.front().mean, row.back().mean);
  if (!above(row.back(), row.front())) {
    text += above(row.front(), row.back()) ? ": with the topic held, longer is less alike"
                                           : ", no clear difference: length alone shows no effect here";
  } else if (const auto& share = report.findings.explained_by_length) {
    text += *share > 0.995 ? std::string("; so length alone explains all of the difference")
                           : fmt::format(
                                 "; so length alone explains {:.0f} % of the difference, what the texts are about "
                                 "may be the rest",
                                 100 * *share);
  }
  return text + ".";
}

/// Why the cut control and the layers are of other lengths than asked for, or missing.
std::string about_cut_lengths(const CollapseReport& report) {
  if (report.texts == 0 || report.shortest_cut_asked == 0) return {};
  if (report.cut_lengths.empty()) {
    return " No text is long enough to be cut, so there is no cut control, and the layers were not probed.";
  }
  if (report.cut_lengths.back() >= report.shortest_cut_asked) return {};
  return fmt::format(" {} the {} tokens of the shortest cut asked for, so texts are cut at {} tokens at most.",
                     report.texts == 1 ? "It does not have" : "No two texts have", report.shortest_cut_asked,
                     report.cut_lengths.back());
}

std::string about_settings(const CollapseReport& report) {
  if (!report.findings.compared) return {};
  std::string text;
  for (std::size_t t = 1; t < report.settings.size(); ++t) {
    const Row& row = by_bucket(report)[t];
    const char* how = std::cmp_less(t, report.num_temperatures) ? "At temperature"
                      : std::cmp_less(t, report.num_states)     ? "Under state control"
                                                                : "After";
    text += fmt::format(" {} {} the longer ones are at {:.3f}, the shorter ones at {:.3f}.", how, report.settings[t],
                        row[report.findings.long_bucket].mean, row[report.findings.short_bucket].mean);
  }
  return text;
}

}  // namespace

CollapseFindings find_collapse(const CollapseReport& report) {
  CollapseFindings findings;
  if (by_bucket(report).empty()) return findings;
  const Row& row = by_bucket(report).front();
  std::optional<std::size_t> first;
  for (std::size_t bucket = 0; bucket < row.size(); ++bucket) {
    if (row[bucket].texts < kEnoughTexts) continue;
    if (!first) first = bucket;
    findings.short_bucket = *first;
    findings.long_bucket = bucket;
  }
  findings.compared = first && *first != findings.long_bucket;
  if (!findings.compared) return findings;
  const CosineEstimate& shorter = row[findings.short_bucket];
  const CosineEstimate& longer = row[findings.long_bucket];
  findings.ratio = ratio_of(longer, shorter);
  const bool substantial =
      findings.ratio ? *findings.ratio >= kMinVisibleRatio : longer.mean - shorter.mean >= kMinVisibleDifference;
  findings.visible = above(longer, shorter) && substantial;
  if (findings.visible && report.cut_lengths.size() >= 2 && report.cut_texts >= kEnoughTexts) {
    const Row& cuts = by_cut(report).front();
    // A difference that may be chance explains nothing.
    findings.explained_by_length =
        above(cuts.back(), cuts.front())
            ? std::clamp((cuts.back().mean - cuts.front().mean) / (longer.mean - shorter.mean), 0.0, 1.0)
            : 0.0;
  }
  return findings;
}

std::string describe_collapse(const CollapseReport& report) {
  return about_buckets(report) + about_max_sim(report) + about_cuts(report) + about_cut_lengths(report) +
         about_settings(report) + describe_states(report);
}

}  // namespace treble::internal
