#include "treble/evaluation.h"

#include <algorithm>
#include <unordered_map>

#include "base/fail_about.h"
#include "base/json_text.h"
#include "evaluation/json_line.h"
#include "evaluation/line_file.h"

namespace treble {

using namespace internal;

namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

using Places = std::unordered_map<std::string, std::int64_t>;

/// Ends of words, which white space separates.
std::vector<std::size_t> word_ends(const std::string& text) {
  std::vector<std::size_t> ends;
  const auto space = [](char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; };
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (!space(text[i]) && (i + 1 == text.size() || space(text[i + 1]))) ends.push_back(i + 1);
  }
  return ends;
}

PairData parse_pairs(LineFile file, const std::string& group_field) {
  PairData data;
  for (std::string line; file.next(line);) {
    const Json json = parse_object(line, file.place());
    const char* key = json.contains("score") ? "score" : "label";
    const auto score = json.find(key);
    if (score == json.end() || !score->is_number()) {
      fail(ErrorCode::invalid_file, R"({}: "score" (or "label") must be a number)", file.place());
    }
    data.first.push_back(text_field(json, "sentence1", file.place()));
    data.second.push_back(text_field(json, "sentence2", file.place()));
    data.scores.push_back(score->get<double>());
    if (!group_field.empty()) data.groups.push_back(group_of(json, group_field, file.place()));
  }
  const auto differs = [&](double value) { return value != data.scores.front(); };
  if (data.scores.size() > 1 && std::none_of(data.scores.begin(), data.scores.end(), differs)) {
    fail(ErrorCode::invalid_file, "{}: all {} pairs have the score {}; no metric is defined on equal scores",
         file.name(), data.scores.size(), data.scores.front());
  }
  return data;
}

/// The place of a text among the documents, which hold every text once.
std::int64_t document_of(const std::string& text, Places& places, RetrievalData& data) {
  const auto [entry, added] = places.emplace(text, static_cast<std::int64_t>(data.documents.size()));
  if (added) {
    data.document_ids.push_back(std::to_string(data.documents.size()));
    data.documents.push_back(text);
  }
  return entry->second;
}

RetrievalData parse_reranking(LineFile file, const std::string& group_field) {
  RetrievalData data;
  Places places;
  for (std::string line; file.next(line);) {
    const Json json = parse_object(line, file.place());
    const std::string query = text_field(json, "query", file.place());
    const auto positive = text_list(json, "positive", file.place());
    const auto negative = text_list(json, "negative", file.place());
    if (positive.empty() || negative.empty()) {
      ++data.counts.queries_left_out;
      continue;
    }
    auto& relevant = data.relevant.emplace_back();
    auto& candidates = data.candidates.emplace_back();
    const auto add = [&](const std::string& text) {
      const std::int64_t document = document_of(text, places, data);
      const bool fresh = std::find(candidates.begin(), candidates.end(), document) == candidates.end();
      if (fresh) candidates.push_back(document);
      data.counts.repeated += fresh ? 0 : 1;
      return fresh;
    };
    for (const std::string& text : positive) {
      if (add(text)) relevant.emplace_back(candidates.back(), 1.0);
    }
    for (const std::string& text : negative) add(text);
    data.query_ids.push_back(std::to_string(data.queries.size()));
    data.queries.push_back(query);
    if (!group_field.empty()) data.groups.push_back(group_of(json, group_field, file.place()));
  }
  if (data.queries.empty()) {
    fail(ErrorCode::invalid_file, "{}: no line has both a positive and a negative text; nothing to order", file.name());
  }
  return data;
}

}  // namespace

PairData read_pairs(const fs::path& path, const std::string& group_field) {
  return about_file(path, [&] { return parse_pairs(LineFile(path), group_field); });
}

RetrievalData read_reranking(const fs::path& path, const std::string& group_field) {
  return about_file(path, [&] { return parse_reranking(LineFile(path), group_field); });
}

bool is_reranking(const fs::path& path) {
  LineFile file(path);
  std::string line;
  if (!file.next(line)) return false;
  const Json json = try_parse_json(line);
  return json.is_object() && json.contains("query") && json.contains("positive");
}

RetrievalData retrieval_from_halves(const std::vector<std::string>& texts, std::size_t min_words) {
  RetrievalData data;
  for (const std::string& text : texts) {
    const auto ends = word_ends(text);
    if (ends.size() < std::max<std::size_t>(2, min_words)) continue;
    const std::size_t middle = ends[ends.size() / 2 - 1];
    const auto number = static_cast<std::int64_t>(data.queries.size());
    data.document_ids.push_back(std::to_string(number));
    data.query_ids.push_back(std::to_string(number));
    data.queries.push_back(text.substr(0, middle));
    data.documents.push_back(text.substr(middle));
    data.relevant.push_back({{number, 1.0}});
  }
  return data;
}

}  // namespace treble
