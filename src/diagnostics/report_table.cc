// The report for a terminal.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/utf8.h"
#include "diagnostics/state_table.h"
#include "treble/collapse_report.h"

namespace treble {

using namespace internal;

namespace {

std::string cell(const CosineEstimate& estimate) {
  if (estimate.pairs == 0) return "–";
  return fmt::format("{:.3f} [{:.3f}, {:.3f}]", estimate.mean, estimate.low, estimate.high);
}

bool starts_character(char c) { return !is_utf8_continuation(c); }

/// A terminal column is counted in characters, and "–" is three bytes.
std::string pad(const std::string& text, std::size_t width) {
  const auto characters = static_cast<std::size_t>(std::count_if(text.begin(), text.end(), starts_character));
  return text + std::string(width > characters ? width - characters : 0, ' ');
}

/// A table is at most kMaxColumns settings wide, so that it fits 100 columns; further settings go into blocks below.
constexpr std::size_t kMaxColumns = 3;
constexpr std::size_t kLabelWidth = 14;
constexpr std::size_t kCountWidth = 13;
constexpr std::size_t kCellWidth = 24;

/// At most a cell less a space; names are given in full in the verdict.
std::string short_name(const std::string& name) {
  std::string result;
  std::size_t characters = 0;
  for (const char c : name) {
    if (starts_character(c) && ++characters > kCellWidth - 2) return result + "…";
    result += c;
  }
  return result;
}

struct Row {
  std::string label;
  std::string counts;
  std::vector<std::string> cells;  ///< [setting]
};

void append_line(const std::string& label, const std::string& counts, std::span<const std::string> cells,
                 std::string& out) {
  // Without counts a label may take their place.
  out += "  " +
         (counts.empty() ? pad(label, kLabelWidth + kCountWidth) : pad(label, kLabelWidth) + pad(counts, kCountWidth));
  for (const auto& text : cells) out += pad(text, kCellWidth);
  out.erase(out.find_last_not_of(' ') + 1);
  out += '\n';
}

/// The settings' names and below them the rows, in blocks of a few settings.
void append_table(const CollapseReport& report, const Row& heading, const std::vector<Row>& rows, std::string& out) {
  std::vector<std::string> names;
  for (std::size_t s = 0; s < report.settings.size(); ++s) {
    const bool temperature = std::cmp_less(s, report.num_temperatures);
    names.push_back(short_name((temperature ? "tau = " : "") + report.settings[s]));
  }
  // Of the layers, only temperatures have something to show.
  const std::size_t columns = rows.empty() ? names.size() : rows.front().cells.size();
  for (std::size_t first = 0; first < columns; first += kMaxColumns) {
    const std::size_t count = std::min(kMaxColumns, columns - first);
    if (first > 0) out += '\n';
    append_line(heading.label, heading.counts, std::span(names).subspan(first, count), out);
    for (const Row& row : rows) append_line(row.label, row.counts, std::span(row.cells).subspan(first, count), out);
  }
}

/// A cell a setting of one column of the table.
std::vector<std::string> column_cells(const std::vector<std::vector<CosineEstimate>>& table, std::size_t column) {
  std::vector<std::string> cells;
  cells.reserve(table.size());
  for (const auto& row : table) cells.push_back(cell(row[column]));
  return cells;
}

std::string bucket_name(const LengthBucket& bucket) {
  return fmt::format("{}–{}", bucket.min_tokens, bucket.max_tokens);
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
  std::vector<Row> rows;
  const auto add = [&](const char* label, const char* form, const auto& value) {
    rows.push_back({label, "", texts_of(report.geometry, [&](const GeometryEstimate& g) {
                      return fmt::format(fmt::runtime(form), value(g));
                    })});
  };
  add("effective rank", "{:.1f}", [](const auto& g) { return g.effective_rank; });
  add("IsoScore (1: even)", "{:.3f}", [](const auto& g) { return g.isoscore; });
  add("uniformity (low: even)", "{:.3f}", [](const auto& g) { return g.uniformity; });
  if (!report.query_length_slope.empty()) {
    rows.push_back({"query cosine per ln n", "", texts_of(report.query_length_slope, [](const SlopeEstimate& s) {
                      return s.queries == 0 ? std::string("–")
                                            : fmt::format("{:+.3f} [{:+.3f}, {:+.3f}]", s.slope, s.low, s.high);
                    })});
  }
  append_table(report, {}, rows, out);
}

void append_hubness(const CollapseReport& report, std::string& out) {
  out += fmt::format("\nIn how many of the others' {} nearest a text stands: mean (share that stands in none)\n",
                     report.neighbors);
  std::vector<Row> rows;
  rows.reserve(report.buckets.size());
  for (std::size_t bucket = 0; bucket < report.buckets.size(); ++bucket) {
    rows.push_back({bucket_name(report.buckets[bucket]), fmt::format("{}", report.hubness.front()[bucket].texts),
                    texts_of(report.hubness, [bucket](const auto& row) {
                      const HubnessEstimate& h = row[bucket];
                      return h.texts == 0 ? std::string("–")
                                          : fmt::format("{:.1f} ({:.0f} %)", h.mean, 100 * h.antihub_share);
                    })});
  }
  append_table(report, {"tokens", "sampled", {}}, rows, out);
}

/// Means over the layers probed, of one temperature and length.
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
      "\nAttention, mean over layers and heads: measured filter rate, the paper's bound, share of heads\n"
      "above it; and how much of the tokens' differences is left after the last layer (HC)\n";
  std::vector<Row> rows;
  for (const std::int64_t length : report.cut_lengths) {
    std::vector<std::string> cells;
    for (std::size_t t = 0; std::cmp_less(t, report.num_temperatures); ++t) {
      const LayerMeans means = layer_means(report, t, length);
      cells.push_back(fmt::format("{:.2f}/{:.2f} {:3.0f} % {:.2f}", means.filter_rate / means.count,
                                  means.bound / means.count, 100 * means.above_bound / means.count, means.hc_ratio));
    }
    rows.push_back({fmt::format("{}", length), "", std::move(cells)});
  }
  append_table(report, {"tokens", "", {}}, rows, out);
}

using CosineTable = std::vector<std::vector<CosineEstimate>>;

void append_by_bucket(const CollapseReport& report, const CosineTable& table, std::string_view heading,
                      std::string& out) {
  out += fmt::format("\n{}\n", heading);
  std::vector<Row> rows;
  rows.reserve(report.buckets.size());
  for (std::size_t bucket = 0; bucket < report.buckets.size(); ++bucket) {
    const auto& range = report.buckets[bucket];
    rows.push_back({bucket_name(range), fmt::format("{}/{}", table.front()[bucket].texts, range.texts_seen),
                    column_cells(table, bucket)});
  }
  append_table(report, {"tokens", "sampled/seen", {}}, rows, out);
}

void append_by_cut(const CollapseReport& report, const CosineTable& table, std::string_view of, std::string& out) {
  out += fmt::format("\nThe same {} cut at each length: topic held, length changed{}\n",
                     report.cut_texts == 1 ? std::string("text") : fmt::format("{} texts", report.cut_texts), of);
  std::vector<Row> rows;
  rows.reserve(report.cut_lengths.size());
  for (std::size_t cut = 0; cut < report.cut_lengths.size(); ++cut) {
    rows.push_back(
        {fmt::format("{}", report.cut_lengths[cut]), fmt::format("{}", report.cut_texts), column_cells(table, cut)});
  }
  append_table(report, {"cut at", "texts", {}}, rows, out);
}

constexpr std::string_view kNoCuts =
    "\nNo text is long enough to be cut at different lengths, so there is nothing of the layers either.\n";

void append_text_vectors(const CollapseReport& report, std::string& out) {
  append_by_bucket(
      report, report.bucket_cosine,
      "Mean cosine between different texts of one length (95 % bootstrap interval; lower is better spread)", out);
  if (report.cut_lengths.empty()) {
    out += kNoCuts;
  } else {
    append_by_cut(report, report.cut_cosine, "", out);
  }
  append_geometry(report, out);
  append_hubness(report, out);
}

void append_spread(const CollapseReport& report, const TokenVectorReport& tokens, std::string& out) {
  out += "\nEffective rank and IsoScore of all token vectors of a length (docs/diagnostics.md)\n";
  std::vector<Row> rows;
  rows.reserve(report.buckets.size());
  for (std::size_t bucket = 0; bucket < report.buckets.size(); ++bucket) {
    rows.push_back({bucket_name(report.buckets[bucket]), fmt::format("{}", tokens.spread.front()[bucket].vectors),
                    texts_of(tokens.spread, [bucket](const auto& row) {
                      const TokenSpread& spread = row[bucket];
                      return spread.vectors == 0
                                 ? std::string("–")
                                 : fmt::format("{:.1f}, {:.3f}", spread.effective_rank, spread.isoscore);
                    })});
  }
  append_table(report, {"tokens", "vectors", {}}, rows, out);
}

void append_token_vectors(const CollapseReport& report, const TokenVectorReport& tokens, std::string& out) {
  append_by_bucket(
      report, tokens.token_cosine,
      "Mean cosine between the token vectors of one text (95 % bootstrap interval; lower is better spread)", out);
  append_by_bucket(
      report, tokens.max_sim,
      fmt::format("MaxSim a query vector between different texts of one length, each with {} others at most",
                  tokens.max_sim_documents),
      out);
  append_spread(report, tokens, out);
  if (report.cut_lengths.empty()) {
    out += kNoCuts;
    return;
  }
  append_by_cut(report, tokens.cut_token_cosine, ", token vectors of one text", out);
  append_by_cut(report, tokens.cut_max_sim, ", MaxSim", out);
}

std::string cell(const std::optional<Interval>& interval, double scale, int digits) {
  if (!interval) return "–";
  return fmt::format("{:.{}f} [{:.{}f}, {:.{}f}]", scale * interval->value, digits, scale * interval->low, digits,
                     scale * interval->high, digits);
}

std::string share(const std::optional<Interval>& interval) {
  return interval ? fmt::format("{:.1f} %", 100 * interval->value) : std::string("–");
}

/// The scatters' ratio may be thousands or thousandths; the interval is there where the cell has room.
std::string ratio_cell(const std::optional<Interval>& interval) {
  const bool plain = interval && interval->value >= 0.1 && interval->high < 100;
  if (!interval || plain) return cell(interval, 1, 3);
  std::string text = fmt::format("{:.2g} [{:.2g}, {:.2g}]", interval->value, interval->low, interval->high);
  return text.size() < kCellWidth ? text : fmt::format("{:.2g}", interval->value);
}

std::string place_name(const ClassEstimate& estimate) {
  if (estimate.layer < 0) return "final vectors";
  return estimate.layer == 0 ? std::string("embeddings") : fmt::format("layer {}", estimate.layer);
}

/// A row for every place or bucket of `chosen`, a column a temperature.
template <typename Chosen, typename Label, typename Form>
std::vector<Row> class_rows(const ClassReport& report, const Chosen& chosen, const Label& label, const Form& form) {
  std::vector<Row> rows;
  for (const ClassEstimate& estimate : report.estimates) {
    if (!chosen(estimate)) continue;
    const std::string name = label(estimate);
    auto row = std::find_if(rows.begin(), rows.end(), [&](const Row& one) { return one.label == name; });
    if (row == rows.end()) {
      rows.push_back({name, fmt::format("{}/{}", estimate.texts, estimate.classes), {}});
      row = rows.end() - 1;
    }
    row->cells.push_back(form(estimate));
  }
  return rows;
}

void append_classes_by_layer(const CollapseReport& report, std::string& out) {
  if (!report.classes) return;
  const ClassReport& classes = *report.classes;
  const auto add = [&](const char* heading, const auto& form) {
    out += fmt::format("\n{}\n", heading);
    const auto all_lengths = [](const ClassEstimate& e) { return e.bucket < 0; };
    append_table(report, {"place", "texts/K", {}}, class_rows(classes, all_lengths, place_name, form), out);
  };
  add("Classes, NC1~ = tr S_W / tr S_B (95 % bootstrap interval; lower is tighter)",
      [](const ClassEstimate& e) { return ratio_cell(e.nc1_traces); });
  add("Classes, NC1 = tr(S_W S_B+)/K and NC2, distance of the class means to a simplex frame",
      [](const ClassEstimate& e) {
        return e.nc1 && e.nc2 ? fmt::format("{:.3g}, {:.3f}", e.nc1->value, e.nc2->value) : std::string("–");
      });
  add("Classes, held-out half: right by the nearest class mean, % (95 % bootstrap interval)",
      [](const ClassEstimate& e) { return cell(e.accuracy, 100, 1); });
  add("Classes, held-out half: right by a linear probe, and share on which both agree",
      [](const ClassEstimate& e) { return fmt::format("{}, {}", share(e.probe_accuracy), share(e.agreement)); });
}

void append_classes(const CollapseReport& report, std::string& out) {
  if (!report.classes || report.classes->estimates.empty()) return;
  append_classes_by_layer(report, out);
  out += "\nClasses by length, final vectors: NC1~ and held-out half right by the nearest class mean\n";
  const auto rows = class_rows(
      *report.classes, [](const ClassEstimate& e) { return e.bucket >= 0 && e.layer < 0; },
      [&](const ClassEstimate& e) { return bucket_name(report.buckets[static_cast<std::size_t>(e.bucket)]); },
      [](const ClassEstimate& e) {
        return e.nc1_traces ? fmt::format("{:.3g}, {}", e.nc1_traces->value, share(e.accuracy))
                            : fmt::format("–, {}", share(e.accuracy));
      });
  append_table(report, {"tokens", "texts/K", {}}, rows, out);
  const ClassReport& classes = *report.classes;
  if (classes.unlabelled_texts == 0) return;
  out += fmt::format("\n{} of {} texts {} no label and {} left out of the measures of classes: {}{}\n",
                     classes.unlabelled_texts, report.texts, classes.unlabelled_texts == 1 ? "has" : "have",
                     classes.unlabelled_texts == 1 ? "is" : "are", fmt::join(classes.unlabelled, ", "),
                     std::cmp_less(classes.unlabelled.size(), classes.unlabelled_texts) ? ", …" : "");
}

}  // namespace

std::string to_table(const CollapseReport& report) {
  std::string out = fmt::format("{}: {} {}", report.model, report.texts, report.texts == 1 ? "text" : "texts");
  if (report.truncated_texts > 0) {
    out += fmt::format(", {} of them longer than the {} tokens the model reads", report.truncated_texts,
                       report.max_length);
  }
  if (!report.baked_temperature.empty()) {
    out +=
        fmt::format("; temperature {} is in the weights, and tau = 1 is the model as baked", report.baked_temperature);
  }
  out += '\n';
  for (const std::string& sentence : report.advice) out += sentence + ".\n";
  if (report.token_vectors) {
    append_token_vectors(report, *report.token_vectors, out);
  } else {
    append_text_vectors(report, out);
  }
  append_layers(report, out);
  out += state_table(report);
  append_classes(report, out);
  return out;
}

}  // namespace treble
