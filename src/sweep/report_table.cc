#include <fmt/format.h>

#include <cstdint>

#include "base/json_text.h"
#include "sweep/judge.h"
#include "treble/sweep.h"
#include "treble/version.h"

namespace treble {

using namespace internal;

namespace {

std::string percentage(const std::optional<double>& value) {
  return value ? fmt::format("{:.0f} %", 100 * *value) : std::string("–");
}

/// "weights 1a2b3c4d5e6f, float32, up to 256 tokens".
std::string model_line(const SweepReport& report) {
  const auto provenance = parse_ordered(report.provenance);
  return fmt::format(
      "weights {:.12}, {}, up to {} tokens", provenance.at("model").at("weights_sha256").get<std::string>(),
      provenance.at("compute_dtype").get<std::string>(), provenance.at("max_length").get<std::int64_t>());
}

/// A line a setting, a column a bucket.
std::string bucket_table(const SweepReport& report) {
  std::string out = fmt::format("\n  {:<18}", "tokens");
  for (const SweepBucket& bucket : report.buckets) {
    out += fmt::format("{:>11}", fmt::format("{}–{}", bucket.min_tokens, bucket.max_tokens));
  }
  out += fmt::format("\n  {:<18}", "items");
  for (const SweepBucket& bucket : report.buckets) out += fmt::format("{:>11}", bucket.items);
  out += '\n';
  for (std::size_t s = 0; s < report.settings.size(); ++s) {
    out += fmt::format("  {:<18}", report.settings[s].name());
    for (const SweepBucket& bucket : report.buckets) {
      out += bucket.items < kEnoughItems || bucket.settings.empty()
                 ? fmt::format("{:>11}", "–")
                 : fmt::format("{:>11.4f}", bucket.settings[s].value);
    }
    out += '\n';
  }
  return out;
}

}  // namespace

std::string to_table(const SweepReport& report) {
  // Where everything is read, a column that says so is in the way.
  const bool cut = report.documents_read.front().cut > 0;
  std::string out = fmt::format("{}: {} on {}, {} similarity, temperature on {}\n\n", report.model, report.metric,
                                report.data, to_string(report.similarity),
                                report.side == SweepSide::both ? "all texts" : to_string(report.side) + " texts only");
  out += fmt::format("  {:<18}{:>9}   {:<26}{:>10}{:>8}{}\n", "setting", report.metric, "gain over 1, points",
                     "same 10", "short", cut ? "  unread" : "");
  for (std::size_t s = 0; s < report.settings.size(); ++s) {
    const SettingGain& result = report.held_out.settings[s];
    out += fmt::format("  {:<18}{:>9.4f}   {:<26}{:>10}{:>8}{}\n", report.settings[s].name(), result.value,
                       s == 0 ? "" : interval_text(result.gain), percentage(report.overlap[s]),
                       percentage(report.short_overlap[s]),
                       cut ? fmt::format("{:>8}", percentage(report.documents_read[s].unread())) : "");
  }
  out +=
      "  Gains on all data, 95 % intervals for all settings at once (max-T bootstrap). same 10: places among the "
      "first\n"
      "  ten that the untouched model fills too; short: for texts of up to 64 tokens. Fitted steps saw no label.\n";
  if (cut) out += "  unread: share of the documents' tokens that the setting never reads.\n";
  out += fmt::format(
      "  Held out: {} folds, dealt {} times (seed {}); {} items in {} units; {} resamples.\n  treble {}, {}.\n",
      report.held_out.folds, report.held_out.deals, report.seed, report.items, report.held_out.units, report.resamples,
      version(), model_line(report));
  if (report.queries_left_out > 0) {
    out += fmt::format("  {} more with nothing to find are left out of every average.\n", report.queries_left_out);
  }
  if (report.queries_without_document > 0) {
    out +=
        fmt::format("  {} of the {} items look for what is not in the corpus: 0 in every metric, in no column below.\n",
                    report.queries_without_document, report.items);
  }
  for (const std::string& reason : report.skipped) out += "  left out: " + reason + "\n";
  for (const std::string& sentence : report.advice) out += "  " + sentence + ".\n";
  return out + bucket_table(report);
}

}  // namespace treble
