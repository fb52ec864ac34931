#include "rerank_output.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <span>
#include <utility>

#include "json.h"
#include "progress.h"

namespace treble::cli {

namespace {

/// The first columns of a text on one line; "…" where there is more.
std::string beginning(const std::string& text, std::size_t columns) {
  std::string line;
  std::size_t width = 0;
  for (std::size_t i = 0; i < text.size();) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const std::size_t size = byte < 0x80 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
    if (width == columns) return line + "…";
    // Control characters would move the cursor.
    line += byte < 0x20 || byte == 0x7F ? std::string(" ") : text.substr(i, size);
    ++width;
    i += size;
  }
  return line;
}

/// Ids come as JSON; people know them without the quotes.
std::string name_of(const RerankRequest& request, std::size_t text) {
  if (request.ids[text].empty()) return std::to_string(text);
  const Json id = parse_json_text(request.ids[text]);
  return id.is_string() ? id.get<std::string>() : request.ids[text];
}

std::string score_text(std::span<const float> row, const std::vector<std::string>& labels) {
  if (row.size() == 1) return fmt::format("{:.6f}", row[0]);
  const auto best = std::max_element(row.begin(), row.end());
  return fmt::format("{} {:.4f}", labels[static_cast<std::size_t>(best - row.begin())], *best);
}

/// As JSON, the shortest that reads back as the same float32.
Json shortest(float value) { return Json::parse(fmt::format("{}", value)); }

Json scores_json(std::span<const float> row, const std::vector<std::string>& labels) {
  if (row.size() == 1) return {{"score", shortest(row[0])}};
  Json scores = Json::object();
  for (std::size_t i = 0; i < row.size(); ++i) scores[labels[i]] = shortest(row[i]);
  return {{"scores", scores}};
}

}  // namespace

RerankResult in_order(const RerankRequest& request, Scores scores, std::optional<std::int64_t> top) {
  RerankResult result{std::move(scores), std::vector<std::int64_t>(request.texts.size())};
  std::iota(result.order.begin(), result.order.end(), std::int64_t{0});
  if (!request.ranked || result.scores.num_labels != 1) return result;
  const auto& values = result.scores.values;
  std::stable_sort(result.order.begin(), result.order.end(), [&](std::int64_t a, std::int64_t b) {
    return values[static_cast<std::size_t>(a)] > values[static_cast<std::size_t>(b)];
  });
  if (top && *top < std::ssize(result.order)) result.order.resize(static_cast<std::size_t>(*top));
  return result;
}

std::string rerank_table(const std::vector<RerankRequest>& requests, const std::vector<RerankResult>& results,
                         const std::vector<std::string>& labels, std::size_t width) {
  std::string table;
  for (std::size_t i = 0; i < requests.size(); ++i) {
    if (requests.size() > 1) table += fmt::format("{}{}\n", i > 0 ? "\n" : "", beginning(requests[i].query, width - 1));
    std::int64_t rank = 0;
    for (const std::int64_t text : results[i].order) {
      const auto t = static_cast<std::size_t>(text);
      std::string line = fmt::format("{:>4}  {:>9}  {:<8}  ", ++rank, score_text(results[i].scores.row(text), labels),
                                     name_of(requests[i], t));
      const std::size_t room = line.size() + 12 < width ? width - line.size() - 1 : 12;
      table += line + beginning(requests[i].texts[t], room) + "\n";
    }
  }
  return table;
}

std::string rerank_jsonl(const std::vector<RerankRequest>& requests, const std::vector<RerankResult>& results,
                         const std::vector<std::string>& labels, const std::string& provenance) {
  std::string lines = dump(Json{{"treble", parse_json_text(provenance)}}, -1) + "\n";
  for (std::size_t i = 0; i < requests.size(); ++i) {
    for (const std::int64_t text : results[i].order) {
      const auto t = static_cast<std::size_t>(text);
      Json line = {{"query", i}, {"index", text}};
      line["id"] = requests[i].ids[t].empty() ? Json() : parse_json_text(requests[i].ids[t]);
      line.update(scores_json(results[i].scores.row(text), labels));
      const TokenCount& count = results[i].scores.token_counts[t];
      line["tokens"] = count.tokens;
      line["used"] = count.used;
      lines += dump(line, -1) + "\n";
    }
  }
  return lines;
}

std::string cut_note(const std::vector<RerankResult>& results, std::int64_t limit) {
  std::int64_t pairs = 0;
  std::int64_t cut = 0;
  std::int64_t longest = 0;
  for (const RerankResult& result : results) {
    for (const TokenCount& count : result.scores.token_counts) {
      ++pairs;
      cut += count.used < count.tokens ? 1 : 0;
      longest = std::max(longest, count.tokens);
    }
  }
  if (cut == 0) return {};
  return fmt::format("{} of {} were longer than {} tokens and were cut; the longest has {}\n", grouped(cut),
                     counted(pairs, "pair"), grouped(limit), grouped(longest));
}

}  // namespace treble::cli
