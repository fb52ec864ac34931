#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "base/json_text.h"
#include "base/utf8.h"
#include "sweep/judge.h"
#include "treble/sweep.h"
#include "treble/version.h"

namespace treble {

using namespace internal;

namespace {

constexpr std::size_t kMinNameWidth = 18;

/// As many columns of a terminal.
std::size_t width_of(const std::string& text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return !is_utf8_continuation(c); }));
}

/// Columns as wide as what is in them: names to the left, the rest to the right.
class Columns {
 public:
  void add(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }

  std::string text() const {
    std::vector<std::size_t> widths = {kMinNameWidth};
    for (const auto& row : rows_) {
      widths.resize(std::max(widths.size(), row.size()));
      for (std::size_t column = 0; column < row.size(); ++column) {
        widths[column] = std::max(widths[column], width_of(row[column]));
      }
    }
    std::string out;
    for (const auto& row : rows_) {
      std::string line = " ";
      for (std::size_t column = 0; column < row.size(); ++column) {
        const std::string room(widths[column] - width_of(row[column]), ' ');
        line += (column == 0 ? " " : "  ") + (column == 0 ? row[column] + room : room + row[column]);
      }
      line.erase(line.find_last_not_of(' ') + 1);
      out += line + '\n';
    }
    return out;
  }

 private:
  std::vector<std::vector<std::string>> rows_;
};

std::string percentage(const std::optional<double>& value) {
  return value ? fmt::format("{:.0f} %", 100 * *value) : std::string("–");
}

/// "weights 1a2b3c4d5e6f, int8 on AVX2, up to 256 tokens": int8 differs by the kind of CPU.
std::string model_line(const SweepReport& report) {
  const auto provenance = parse_ordered(report.provenance);
  return fmt::format("weights {:.12}, {} on {}, up to {} tokens",
                     provenance.at("model").at("weights_sha256").get<std::string>(),
                     provenance.at("compute_dtype").get<std::string>(), provenance.at("cpu_isa").get<std::string>(),
                     provenance.at("max_length").get<std::int64_t>());
}

/// A line a setting, a column a bucket.
std::string bucket_table(const SweepReport& report) {
  Columns columns;
  std::vector<std::string> edges = {"tokens"};
  std::vector<std::string> items = {"items"};
  for (const SweepBucket& bucket : report.buckets) {
    edges.push_back(fmt::format("{}–{}", bucket.min_tokens, bucket.max_tokens));
    items.push_back(fmt::format("{}", bucket.items));
  }
  columns.add(std::move(edges));
  columns.add(std::move(items));
  for (std::size_t s = 0; s < report.settings.size(); ++s) {
    std::vector<std::string> row = {report.settings[s].name()};
    for (const SweepBucket& bucket : report.buckets) {
      const bool enough = bucket.items >= kEnoughItems && !bucket.settings.empty();
      row.push_back(enough ? fmt::format("{:.4f}", bucket.settings[s].value) : std::string("–"));
    }
    columns.add(std::move(row));
  }
  return fmt::format("\n{}", columns.text());
}

bool has_rankings(const SweepReport& report) { return report.overlap.front().has_value(); }

std::vector<std::string> setting_row(const SweepReport& report, std::size_t s, bool cut) {
  const SettingGain& result = report.held_out.settings[s];
  const auto change = relative_change(result.value, report.held_out.settings.front().value);
  std::vector<std::string> row = {report.settings[s].name(), fmt::format("{:.4f}", result.value),
                                  s == 0 ? "" : interval_text(result.gain),
                                  s > 0 && change ? fmt::format("{:+.1f} %", 100 * *change) : ""};
  if (!report.better_and_worse.empty()) {
    const auto& [better, worse] = report.better_and_worse[s];
    row.push_back(s == 0 ? "" : fmt::format("{}/{}", better, worse));
  }
  if (has_rankings(report)) {
    row.push_back(percentage(report.overlap[s]));
    row.push_back(percentage(report.short_overlap[s]));
  }
  if (cut) row.push_back(percentage(report.documents_read[s].unread()));
  return row;
}

std::string setting_table(const SweepReport& report) {
  // Where everything is read, a column that says so is in the way.
  const bool cut = report.documents_read.front().cut > 0;
  Columns columns;
  std::vector<std::string> heading = {"setting", report.metric, "gain over 1, points", "of the score"};
  if (!report.better_and_worse.empty()) heading.emplace_back("better/worse");
  if (has_rankings(report)) heading.insert(heading.end(), {"same 10", "short"});
  if (cut) heading.emplace_back("unread");
  columns.add(std::move(heading));
  for (std::size_t s = 0; s < report.settings.size(); ++s) columns.add(setting_row(report, s, cut));
  std::string out = columns.text();
  out += "  Gains on all data, 95 % intervals for all settings at once (max-T bootstrap). Fitted steps saw no label.\n";
  if (!report.better_and_worse.empty()) out += "  better/worse: items.\n";
  if (has_rankings(report)) {
    out +=
        "  same 10: places among the first ten that the untouched model fills too; short: for texts of up to 64 "
        "tokens.\n";
  }
  if (cut) out += "  unread: share of the documents' tokens that the setting never reads.\n";
  return out;
}

/// Where one setting was best on both sides in every fold, there is nothing to be sure of.
std::string contrast_text(const HeldOutGain& gain) {
  return gain.chosen == gain.against ? "never chosen" : interval_text(gain.gain);
}

/// What each way to differ from the untouched model is worth.
std::string axis_table(const SweepReport& report) {
  if (report.axes.empty()) return {};
  Columns columns;
  columns.add({"held out", "settings", "alone, points", "beside the others, points"});
  for (const SweepAxis& axis : report.axes) {
    columns.add({axis.name, fmt::format("{}", axis.settings),
                 axis.settings == 0 ? std::string("–") : contrast_text(axis.alone), contrast_text(axis.added)});
  }
  columns.add({"all together", fmt::format("{}", report.settings.size() - 1), interval_text(report.held_out.gain)});
  return fmt::format(
      "\n{}"
      "  alone: the best of the settings that differ in nothing else; beside the others: the best of all over the\n"
      "  best of those without it. 95 % intervals for these lines at once; that of the last line is its own.\n",
      columns.text());
}

/// What to know about the data, and how it was judged.
std::string conditions(const SweepReport& report) {
  const std::string deals = report.held_out.deals == 1 ? "once" : fmt::format("{} times", report.held_out.deals);
  std::string out =
      fmt::format("\n  Held out: {} folds, dealt {} (seed {}); {} items in {} units; {} resamples.\n  treble {}, {}.\n",
                  report.held_out.folds, deals, report.seed, report.items, report.held_out.units, report.resamples,
                  version(), model_line(report));
  if (report.queries_left_out > 0) {
    out += fmt::format("  {} more with nothing to find are left out of every average.\n", report.queries_left_out);
  }
  if (report.queries_without_document > 0) {
    out +=
        fmt::format("  {} of the {} items look for what is not in the corpus: 0 in every metric, in no column above.\n",
                    report.queries_without_document, report.items);
  }
  for (const std::string& reason : report.skipped) out += "  left out: " + reason + "\n";
  for (const std::string& sentence : report.advice) out += "  " + sentence + ".\n";
  return out;
}

}  // namespace

std::string to_table(const SweepReport& report) {
  const std::string comparison = report.reranker  ? "candidates reranked"
                                 : report.max_sim ? "MaxSim similarity"
                                                  : to_string(report.similarity) + " similarity";
  std::string out = fmt::format("{}: {} on {}, {}, {} on {}\n\n", report.model, report.metric, report.data, comparison,
                                tries_states(report) ? "control of the state" : "temperature",
                                report.side == SweepSide::both ? "all texts" : to_string(report.side) + " texts only");
  out += setting_table(report) + axis_table(report) + bucket_table(report) + conditions(report) + "\n  To run:\n";
  for (const std::string& command : report.commands) out += "    " + command + "\n";
  return out;
}

}  // namespace treble
