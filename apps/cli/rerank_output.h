// What `treble rerank` writes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "rerank_command.h"
#include "treble/reranker.h"

namespace treble::cli {

/// The scores of a request, and which of its texts are shown, in which order.
struct RerankResult {
  Scores scores;
  std::vector<std::int64_t> order;
};

/// All texts: ranked, those of the highest score first (of several labels, in their place), and no more than `top`.
RerankResult in_order(const RerankRequest& request, Scores scores, std::optional<std::int64_t> top);

/// A line a text: rank, score (or the label of the highest), id and beginning of the text, within `width` columns.
std::string rerank_table(const std::vector<RerankRequest>& requests, const std::vector<RerankResult>& results,
                         const std::vector<std::string>& labels, std::size_t width);

/// A line {"treble": provenance}, then an object a text.
std::string rerank_jsonl(const std::vector<RerankRequest>& requests, const std::vector<RerankResult>& results,
                         const std::vector<std::string>& labels, const std::string& provenance);

/// How many pairs were cut, for people; empty: none.
std::string cut_note(const std::vector<RerankResult>& results, std::int64_t limit);

}  // namespace treble::cli
