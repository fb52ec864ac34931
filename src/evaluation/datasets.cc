#include "evaluation/datasets.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <unordered_map>

#include "base/fail.h"

namespace treble {

namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

/// Calls `use` for each line that is not blank, with its number for messages ("corpus.jsonl:17").
void each_line(const fs::path& path, const std::function<void(const std::string&, const std::string&)>& use) {
  if (!fs::exists(path)) fail(ErrorCode::not_found, "{}: no such file", path.string());
  std::ifstream file(path);
  if (!file) fail(ErrorCode::io, "{}: cannot read", path.string());
  std::uint64_t number = 0;
  for (std::string line; std::getline(file, line);) {
    ++number;
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (!line.empty()) use(line, path.string() + ":" + std::to_string(number));
  }
  if (file.bad()) fail(ErrorCode::io, "{}: reading failed after line {}", path.string(), number);
}

Json parse_object(const std::string& line, const std::string& place) {
  Json json = Json::parse(line, nullptr, false);
  if (!json.is_object()) fail(ErrorCode::invalid_file, "{}: not a JSON object", place);
  return json;
}

std::string text_field(const Json& json, const char* key, const std::string& place) {
  const auto found = json.find(key);
  if (found == json.end()) fail(ErrorCode::invalid_file, "{}: \"{}\" is missing", place, key);
  if (!found->is_string()) fail(ErrorCode::invalid_file, "{}: \"{}\" must be a text", place, key);
  return found->get<std::string>();
}

/// Ids are texts; some files write numbers.
std::string id_field(const Json& json, const std::string& place) {
  const auto found = json.find("_id");
  if (found != json.end() && found->is_number_integer()) return found->dump();
  return text_field(json, "_id", place);
}

using Places = std::unordered_map<std::string, std::int64_t>;

void read_texts(const fs::path& path, bool titled, std::vector<std::string>& ids, std::vector<std::string>& texts,
                Places& places) {
  each_line(path, [&](const std::string& line, const std::string& place) {
    const Json json = parse_object(line, place);
    std::string id = id_field(json, place);
    if (!places.emplace(id, static_cast<std::int64_t>(ids.size())).second) {
      fail(ErrorCode::invalid_file, "{}: the id \"{:.100}\" was there before", place, id);
    }
    std::string text = text_field(json, "text", place);
    if (titled && json.contains("title") && json["title"].is_string() && !json["title"].get<std::string>().empty()) {
      text = json["title"].get<std::string>() + " " + text;
    }
    ids.push_back(std::move(id));
    texts.push_back(std::move(text));
  });
}

struct Judgement {
  std::string query;
  std::string document;
  double grade = 0;
};

/// Nothing for the heading line.
std::optional<Judgement> parse_judgement(const std::string& line, const std::string& place) {
  const auto first = line.find('\t');
  const auto second = first == line.npos ? line.npos : line.find('\t', first + 1);
  if (second == line.npos) fail(ErrorCode::invalid_file, "{}: three columns with tabs between them are wanted", place);
  const std::string grade = line.substr(second + 1);
  char* end = nullptr;
  const double value = std::strtod(grade.c_str(), &end);
  if (end == grade.c_str() || *end != '\0' || !std::isfinite(value)) {
    if (place.ends_with(":1")) return std::nullopt;
    fail(ErrorCode::invalid_file, "{}: the grade \"{:.50}\" is not a number", place, grade);
  }
  return Judgement{line.substr(0, first), line.substr(first + 1, second - first - 1), value};
}

/// Ends of words, a word being what white space parts.
std::vector<std::size_t> word_ends(const std::string& text) {
  std::vector<std::size_t> ends;
  const auto space = [](char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; };
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (!space(text[i]) && (i + 1 == text.size() || space(text[i + 1]))) ends.push_back(i + 1);
  }
  return ends;
}

}  // namespace

RetrievalData read_beir(const fs::path& folder, const std::string& split) {
  RetrievalData data;
  Places documents;
  Places all_queries;
  std::vector<std::string> ids;
  std::vector<std::string> texts;
  read_texts(folder / "corpus.jsonl", true, data.document_ids, data.documents, documents);
  read_texts(folder / "queries.jsonl", false, ids, texts, all_queries);
  Places judged;
  each_line(folder / "qrels" / (split + ".tsv"), [&](const std::string& line, const std::string& place) {
    const auto judgement = parse_judgement(line, place);
    if (!judgement) return;
    const auto query = all_queries.find(judgement->query);
    const auto document = documents.find(judgement->document);
    if (query == all_queries.end() || document == documents.end()) {
      fail(ErrorCode::invalid_file, R"({}: {} "{:.100}" is not in {})", place,
           query == all_queries.end() ? "query" : "document",
           query == all_queries.end() ? judgement->query : judgement->document,
           query == all_queries.end() ? "queries.jsonl" : "corpus.jsonl");
    }
    const auto [entry, added] = judged.emplace(judgement->query, static_cast<std::int64_t>(data.queries.size()));
    if (added) {
      data.query_ids.push_back(judgement->query);
      data.queries.push_back(texts[static_cast<std::size_t>(query->second)]);
      data.relevant.emplace_back();
    }
    if (judgement->grade > 0) {
      data.relevant[static_cast<std::size_t>(entry->second)].emplace_back(document->second, judgement->grade);
    }
  });
  return data;
}

PairData read_pairs(const fs::path& path) {
  PairData data;
  each_line(path, [&](const std::string& line, const std::string& place) {
    const Json json = parse_object(line, place);
    const char* key = json.contains("score") ? "score" : "label";
    const auto score = json.find(key);
    if (score == json.end() || !score->is_number() || !std::isfinite(score->get<double>())) {
      fail(ErrorCode::invalid_file, "{}: \"score\" (or \"label\") must be a number", place);
    }
    data.first.push_back(text_field(json, "sentence1", place));
    data.second.push_back(text_field(json, "sentence2", place));
    data.scores.push_back(score->get<double>());
  });
  return data;
}

namespace {

std::vector<std::string> text_list(const Json& json, const char* key, const std::string& place) {
  const auto found = json.find(key);
  if (found == json.end() || !found->is_array()) {
    fail(ErrorCode::invalid_file, "{}: \"{}\" must be a list of texts", place, key);
  }
  std::vector<std::string> texts;
  for (const Json& entry : *found) {
    if (!entry.is_string()) fail(ErrorCode::invalid_file, "{}: \"{}\" must hold texts only", place, key);
    texts.push_back(entry.get<std::string>());
  }
  return texts;
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

}  // namespace

RetrievalData read_reranking(const fs::path& path) {
  RetrievalData data;
  Places places;
  each_line(path, [&](const std::string& line, const std::string& place) {
    const Json json = parse_object(line, place);
    const std::string query = text_field(json, "query", place);
    const auto positive = text_list(json, "positive", place);
    const auto negative = text_list(json, "negative", place);
    if (positive.empty() || negative.empty()) return;
    auto& relevant = data.relevant.emplace_back();
    auto& candidates = data.candidates.emplace_back();
    for (const std::string& text : positive) {
      const std::int64_t document = document_of(text, places, data);
      if (std::find(candidates.begin(), candidates.end(), document) != candidates.end()) continue;
      candidates.push_back(document);
      relevant.emplace_back(document, 1.0);
    }
    for (const std::string& text : negative) {
      const std::int64_t document = document_of(text, places, data);
      if (std::find(candidates.begin(), candidates.end(), document) == candidates.end()) candidates.push_back(document);
    }
    data.query_ids.push_back(std::to_string(data.queries.size()));
    data.queries.push_back(query);
  });
  return data;
}

bool is_reranking(const fs::path& path) {
  if (!fs::exists(path)) fail(ErrorCode::not_found, "{}: no such file", path.string());
  std::ifstream file(path);
  std::string line;
  while (line.empty() && std::getline(file, line)) {
  }
  const Json json = Json::parse(line, nullptr, false);
  return json.is_object() && json.contains("query") && json.contains("positive");
}

RetrievalData halves_of(const std::vector<std::string>& texts, std::size_t least_words) {
  RetrievalData data;
  for (const std::string& text : texts) {
    const auto ends = word_ends(text);
    if (ends.size() < std::max<std::size_t>(2, least_words)) continue;
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
