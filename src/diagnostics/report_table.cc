// The report for a terminal.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "treble/collapse_report.h"

namespace treble {

namespace {

std::string cell(const CosineEstimate& estimate) {
  if (estimate.pairs == 0) return "–";
  return fmt::format("{:.3f} [{:.3f}, {:.3f}]", estimate.mean, estimate.low, estimate.high);
}

/// A terminal column is counted in characters, and "–" is three bytes.
std::string pad(const std::string& text, std::size_t width) {
  std::size_t characters = 0;
  for (const char c : text) characters += (static_cast<unsigned char>(c) & 0xC0U) != 0x80U ? 1 : 0;
  return text + std::string(width > characters ? width - characters : 0, ' ');
}

constexpr std::size_t kLabelWidth = 14;
constexpr std::size_t kCountWidth = 16;
constexpr std::size_t kCellWidth = 24;

void append_header(const CollapseReport& report, const char* label, const char* counts, std::string& out) {
  out += "  " + pad(label, kLabelWidth) + pad(counts, kCountWidth);
  for (std::size_t s = 0; s < report.settings.size(); ++s) {
    const bool temperature = std::cmp_less(s, report.num_temperatures);
    out += pad(fmt::format("{}{}", temperature ? "tau = " : "", report.settings[s]), kCellWidth);
  }
  out.erase(out.find_last_not_of(' ') + 1);
  out += '\n';
}

void append_row(const std::string& label, const std::string& counts,
                const std::vector<std::vector<CosineEstimate>>& table, std::size_t column, std::string& out) {
  out += "  " + pad(label, kLabelWidth) + pad(counts, kCountWidth);
  for (const auto& row : table) out += pad(cell(row[column]), kCellWidth);
  out.erase(out.find_last_not_of(' ') + 1);
  out += '\n';
}

/// A line of one number a setting.
void append_values(const std::string& label, const std::vector<std::string>& values, std::string& out) {
  out += "  " + pad(label, kLabelWidth + kCountWidth);
  for (const auto& value : values) out += pad(value, kCellWidth);
  out.erase(out.find_last_not_of(' ') + 1);
  out += '\n';
}

template <typename Items, typename Form>
std::vector<std::string> texts_of(const Items& items, const Form& form) {
  std::vector<std::string> result;
  result.reserve(items.size());
  for (const auto& item : items) result.push_back(form(item));
  return result;
}

void append_geometry(const CollapseReport& report, std::string& out) {
  if (report.geometry.empty()) return;
  out += "\nHow evenly all sampled vectors fill their space (docs/diagnostics.md)\n";
  append_header(report, "", "", out);
  append_values("effective rank",
                texts_of(report.geometry, [](const auto& g) { return fmt::format("{:.1f}", g.effective_rank); }), out);
  append_values("IsoScore (1: even)",
                texts_of(report.geometry, [](const auto& g) { return fmt::format("{:.3f}", g.isoscore); }), out);
  append_values("uniformity (low: even)",
                texts_of(report.geometry, [](const auto& g) { return fmt::format("{:.3f}", g.uniformity); }), out);
  if (report.query_length_slope.empty()) return;
  append_values("query cosine per ln n",
                texts_of(report.query_length_slope,
                         [](const auto& s) {
                           return s.queries == 0 ? std::string("–")
                                                 : fmt::format("{:+.3f} [{:+.3f}, {:+.3f}]", s.slope, s.low, s.high);
                         }),
                out);
}

void append_hubness(const CollapseReport& report, std::string& out) {
  out += fmt::format("\nIn how many of the others' {} nearest a text stands: mean (share that stands in none)\n",
                     report.neighbors);
  append_header(report, "tokens", "sampled", out);
  for (std::size_t bucket = 0; bucket < report.buckets.size(); ++bucket) {
    const auto& range = report.buckets[bucket];
    out += "  " + pad(fmt::format("{}–{}", range.min_tokens, range.max_tokens), kLabelWidth) +
           pad(fmt::format("{}", report.hubness.front()[bucket].texts), kCountWidth);
    for (const auto& row : report.hubness) {
      const HubnessEstimate& h = row[bucket];
      out += pad(h.texts == 0 ? "–" : fmt::format("{:.1f} ({:.0f} %)", h.mean, 100 * h.antihub_share), kCellWidth);
    }
    out.erase(out.find_last_not_of(' ') + 1);
    out += '\n';
  }
}

/// Means over the layers looked into, of one temperature and length.
struct LayerMeans {
  double filter_rate = 0;
  double bound = 0;
  double above_bound = 0;
  double count = 0;
  double hc_ratio = 0;  ///< of the deepest layer
  std::int64_t deepest = -1;
};

LayerMeans layer_means(const CollapseReport& report, std::size_t temperature, std::int64_t length) {
  LayerMeans means;
  const auto t = static_cast<std::int64_t>(temperature);
  for (const AttentionEstimate& a : report.attention) {
    if (a.setting != t || a.length != length || a.head >= 0) continue;
    means.filter_rate += a.filter_rate;
    means.bound += a.bound;
    means.above_bound += a.above_bound;
    ++means.count;
  }
  for (const TokenEstimate& token : report.tokens) {
    if (token.setting != t || token.length != length || token.layer <= means.deepest) continue;
    means.deepest = token.layer;
    means.hc_ratio = token.hc_ratio;
  }
  return means;
}

void append_layers(const CollapseReport& report, std::string& out) {
  if (report.attention.empty()) return;
  out +=
      "\nAttention, mean over layers and heads: measured filter rate, the paper's bound, share of heads above it;\n"
      "and how much of the tokens' differences is left after the last layer (HC)\n";
  append_header(report, "tokens", "", out);
  for (const std::int64_t length : report.cut_lengths) {
    std::vector<std::string> cells;
    for (std::size_t t = 0; std::cmp_less(t, report.num_temperatures); ++t) {
      const LayerMeans means = layer_means(report, t, length);
      cells.push_back(fmt::format("{:.2f}/{:.2f} {:3.0f} % {:.2f}", means.filter_rate / means.count,
                                  means.bound / means.count, 100 * means.above_bound / means.count, means.hc_ratio));
    }
    append_values(fmt::format("{}", length), cells, out);
  }
}

void append_buckets(const CollapseReport& report, std::string& out) {
  out += "\n\nMean cosine between different texts of one length (95 % bootstrap interval; lower is better spread)\n";
  append_header(report, "tokens", "sampled/seen", out);
  for (std::size_t bucket = 0; bucket < report.buckets.size(); ++bucket) {
    const auto& range = report.buckets[bucket];
    append_row(fmt::format("{}–{}", range.min_tokens, range.max_tokens),
               fmt::format("{}/{}", report.bucket_cosine.front()[bucket].texts, range.texts_seen), report.bucket_cosine,
               bucket, out);
  }
}

void append_cuts(const CollapseReport& report, std::string& out) {
  if (report.cut_lengths.empty()) {
    out += "\nNo text is long enough to be cut at different lengths, so there is nothing of the layers either.\n";
    return;
  }
  out += fmt::format("\nThe same {} texts cut at each length: topic held, length changed\n", report.cut_texts);
  append_header(report, "cut at", "texts", out);
  for (std::size_t cut = 0; cut < report.cut_lengths.size(); ++cut) {
    append_row(fmt::format("{}", report.cut_lengths[cut]), fmt::format("{}", report.cut_texts), report.cut_cosine, cut,
               out);
  }
}

}  // namespace

std::string to_table(const CollapseReport& report) {
  std::string out = fmt::format("{}: {} texts", report.model, report.texts);
  if (report.truncated_texts > 0) {
    out += fmt::format(", {} of them longer than the {} tokens the model reads", report.truncated_texts,
                       report.max_length);
  }
  if (!report.baked_temperature.empty()) {
    out +=
        fmt::format("; temperature {} is in the weights, and tau = 1 is the model as baked", report.baked_temperature);
  }
  append_buckets(report, out);
  append_cuts(report, out);
  append_geometry(report, out);
  append_hubness(report, out);
  append_layers(report, out);
  return out;
}

}  // namespace treble
