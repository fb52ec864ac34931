#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include "base/fail_about.h"
#include "evaluation/line_file.h"
#include "treble/evaluation.h"

namespace treble {

using namespace internal;

namespace {

using IdIndex = std::unordered_map<std::string_view, std::int64_t>;

IdIndex index_of(const std::vector<std::string>& ids) {
  IdIndex index;
  for (std::size_t i = 0; i < ids.size(); ++i) index.emplace(ids[i], static_cast<std::int64_t>(i));
  return index;
}

/// What a run says of one query.
struct RunQuery {
  std::vector<std::int64_t> documents;
  std::vector<float> scores;
  std::unordered_set<std::int64_t> seen;
};

std::vector<std::string_view> run_columns(std::string_view line) {
  constexpr std::string_view kSpace = " \t\r";
  std::vector<std::string_view> columns;
  for (std::size_t begin = line.find_first_not_of(kSpace); begin != line.npos;) {
    const std::size_t end = std::min(line.find_first_of(kSpace, begin), line.size());
    columns.push_back(line.substr(begin, end - begin));
    begin = line.find_first_not_of(kSpace, end);
  }
  return columns;
}

float run_score(std::string_view text, const LineFile& file) {
  const std::string score(text);
  char* end = nullptr;
  const double value = std::strtod(score.c_str(), &end);
  if (end != score.c_str() && *end == '\0' && std::isfinite(value)) return static_cast<float>(value);
  fail(ErrorCode::invalid_file, "{}: the score \"{:.50}\" is not a number", file.place(), text);
}

void add_line(std::string_view line, const LineFile& file, const IdIndex& queries, const IdIndex& documents,
              std::vector<RunQuery>& run) {
  const auto columns = run_columns(line);
  if (columns.size() != 6) {
    fail(ErrorCode::invalid_file, "{}: {} columns, where a TREC run has six (query, Q0, document, rank, score, tag)",
         file.place(), columns.size());
  }
  const auto query = queries.find(columns[0]);
  if (query == queries.end()) return;
  const auto document = documents.find(columns[2]);
  if (document == documents.end()) {
    fail(ErrorCode::invalid_file, R"({}: document "{:.100}" is not in the corpus)", file.place(), columns[2]);
  }
  RunQuery& found = run[static_cast<std::size_t>(query->second)];
  if (!found.seen.insert(document->second).second) {
    fail(ErrorCode::invalid_file, R"({}: query "{:.100}" has document "{:.100}" twice)", file.place(), columns[0],
         columns[2]);
  }
  found.documents.push_back(document->second);
  found.scores.push_back(run_score(columns[4], file));
}

std::vector<std::int64_t> first_documents(const RunQuery& found, const RetrievalData& data, std::int64_t depth) {
  std::vector<std::string> ids;
  ids.reserve(found.documents.size());
  for (const std::int64_t d : found.documents) ids.push_back(data.document_ids[static_cast<std::size_t>(d)]);
  auto ranking = rank_documents(found.scores, ids, std::min(depth, std::ssize(ids)));
  for (std::int64_t& place : ranking) place = found.documents[static_cast<std::size_t>(place)];
  return ranking;
}

std::vector<RunQuery> parse_run(const RetrievalData& data, const std::filesystem::path& path) {
  const IdIndex queries = index_of(data.query_ids);
  const IdIndex documents = index_of(data.document_ids);
  std::vector<RunQuery> run(data.queries.size());
  LineFile file(path);
  for (std::string line; file.next(line);) add_line(line, file, queries, documents, run);
  return run;
}

}  // namespace

void read_candidates(RetrievalData& data, const std::filesystem::path& run, std::int64_t depth) {
  if (depth < 1) fail(ErrorCode::invalid_argument, "read_candidates: a depth of {}; it must be at least 1", depth);
  const std::vector<RunQuery> found = about_file(run, [&] { return parse_run(data, run); });
  data.candidates.clear();
  data.first_stage = true;
  data.counts.without_candidates = data.counts.without_relevant_candidate = 0;
  for (std::size_t query = 0; query < found.size(); ++query) {
    data.candidates.push_back(first_documents(found[query], data, depth));
    const auto& candidates = data.candidates.back();
    const auto& relevant = data.relevant[query];
    const bool any = std::any_of(relevant.begin(), relevant.end(), [&](const auto& judged) {
      return std::find(candidates.begin(), candidates.end(), judged.first) != candidates.end();
    });
    if (candidates.empty()) {
      ++data.counts.without_candidates;
    } else if (!any) {
      ++data.counts.without_relevant_candidate;
    }
  }
  if (data.counts.without_candidates < std::ssize(data.candidates)) return;
  fail_file(run, ErrorCode::invalid_file,
            "the run has none of the {} queries that are judged; do the ids belong to them?", data.candidates.size());
}

}  // namespace treble
