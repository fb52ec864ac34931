#include "treble/evaluation.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include "base/fail_about.h"
#include "evaluation/json_line.h"
#include "evaluation/line_file.h"

namespace treble {

using namespace internal;

namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;
using Places = std::unordered_map<std::string, std::int64_t>;

std::vector<fs::path> spellings(const fs::path& stem, std::span<const char* const> extensions) {
  std::vector<fs::path> paths;
  for (const std::string extension : extensions) {
    for (const char* compression : {"", ".gz", ".zst"}) paths.emplace_back(stem.string() + extension + compression);
  }
  return paths;
}

/// The one of `paths` that exists; where none does, the first, whose absence is then an error.
fs::path only_one_of(const std::vector<fs::path>& paths) {
  std::vector<fs::path> found;
  std::copy_if(paths.begin(), paths.end(), std::back_inserter(found), [](const fs::path& p) { return fs::exists(p); });
  if (found.size() > 1) {
    fail_about(found[0], ErrorCode::invalid_file, "{} and {} both exist; keep the one that counts", found[0].string(),
               found[1].string());
  }
  return found.empty() ? paths.front() : found.front();
}

fs::path json_lines(const fs::path& folder, const char* name) {
  constexpr std::array kExtensions = {".jsonl"};
  return only_one_of(spellings(folder / name, kExtensions));
}

fs::path judgement_file(const fs::path& folder, const std::string& split) {
  constexpr std::array kExtensions = {".tsv", ".txt", ".qrels"};
  fs::path path = only_one_of(spellings(folder / "qrels" / split, kExtensions));
  if (fs::exists(path)) return path;
  std::vector<std::string> names;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder / "qrels", ignored)) names.push_back(entry.path().filename());
  std::sort(names.begin(), names.end());
  std::string list;
  for (const std::string& name : names) list += (list.empty() ? "" : ", ") + name;
  fail_file(path, ErrorCode::not_found, "no such file; qrels has {}",
            list.empty() ? "nothing" : list + ": name another split");
}

struct Texts {
  std::vector<std::string> ids;
  std::vector<std::string> texts;
  std::vector<std::string> groups;  ///< empty where no field was asked for
  Places places;
};

Texts parse_texts(LineFile file, bool titled, const std::string& group_field) {
  Texts result;
  for (std::string line; file.next(line);) {
    const Json json = parse_object(line, file.place());
    std::string id = id_field(json, line, file.place());
    if (!result.places.emplace(id, static_cast<std::int64_t>(result.ids.size())).second) {
      fail(ErrorCode::invalid_file, "{}: the id \"{:.100}\" appears more than once", file.place(), id);
    }
    std::string text = text_field(json, "text", file.place());
    if (titled && json.contains("title") && json["title"].is_string() && !json["title"].get<std::string>().empty()) {
      text.insert(0, json["title"].get<std::string>() + " ");
    }
    if (!group_field.empty()) result.groups.push_back(group_of(json, group_field, file.place()));
    result.ids.push_back(std::move(id));
    result.texts.push_back(std::move(text));
  }
  return result;
}

Texts read_texts(const fs::path& path, bool titled, const std::string& group_field = {}) {
  return about_file(path, [&] { return parse_texts(LineFile(path), titled, group_field); });
}

std::vector<std::string_view> split_at(std::string_view line, std::string_view separators, bool merge) {
  std::vector<std::string_view> fields;
  for (std::size_t begin = 0; begin <= line.size();) {
    const std::size_t end = std::min(line.find_first_of(separators, begin), line.size());
    if (!merge || end > begin) fields.push_back(line.substr(begin, end - begin));
    begin = end + 1;
  }
  return fields;
}

struct JudgementLine {
  std::string query;
  std::string document;
  double grade = 0;
};

/// The lines of a file of judgements, in whichever of the two forms its first line has.
class JudgementFile {
 public:
  JudgementFile(const fs::path& path, const Places& queries) : file_(path), queries_(queries) {}

  bool next(JudgementLine& judgement) {
    while (file_.next(line_)) {
      if (parse(judgement)) return true;
    }
    return false;
  }
  std::string place() const { return file_.place(); }

 private:
  /// False for the heading line.
  bool parse(JudgementLine& judgement) {
    const std::string_view line(line_.data(), line_.find_last_not_of(" \t\r") + 1);
    // Ids between tabs may contain spaces; without three or four such columns, any white space separates four.
    auto fields = split_at(line, "\t", false);
    if (fields.size() < 3) fields = split_at(line, " \t", true);
    const bool first = columns_ == 0;
    const bool tabs = line.find('\t') != line.npos;
    if (!(fields.size() == 4 || (tabs && fields.size() == 3))) {
      fail(ErrorCode::invalid_file,
           "{}: {} columns, where BEIR's three with tabs between them (query-id, corpus-id, score) or TREC's four "
           "(query, iteration, document, grade) are expected",
           place(), fields.size());
    }
    if (!first && fields.size() != columns_) {
      fail(ErrorCode::invalid_file, "{}: {} columns, and the lines before it have {}", place(), fields.size(),
           columns_);
    }
    columns_ = fields.size();
    judgement.query = fields.front();
    judgement.document = fields[columns_ - 2];
    const std::string grade(fields.back());
    char* end = nullptr;
    judgement.grade = std::strtod(grade.c_str(), &end);
    if (end != grade.c_str() && *end == '\0' && std::isfinite(judgement.grade)) return true;
    if (first && !queries_.contains(judgement.query)) return false;
    fail(ErrorCode::invalid_file, "{}: the grade \"{:.50}\" is not a number", place(), grade);
  }

  LineFile file_;
  const Places& queries_;
  std::string line_;
  std::size_t columns_ = 0;
};

/// A query's judgements, in the order in which its documents first appear.
struct JudgedQuery {
  std::string id;
  std::vector<std::pair<std::string, double>> grades;
  Places places;
};

std::vector<JudgedQuery> parse_judgements(JudgementFile file, const Places& queries, JudgementCounts& counts) {
  std::vector<JudgedQuery> judged;
  Places places;
  for (JudgementLine judgement; file.next(judgement);) {
    if (!queries.contains(judgement.query)) {
      fail(ErrorCode::invalid_file, R"({}: query "{:.100}" is not in queries.jsonl)", file.place(), judgement.query);
    }
    const auto [entry, added] = places.emplace(judgement.query, static_cast<std::int64_t>(judged.size()));
    if (added) judged.push_back({judgement.query, {}, {}});
    JudgedQuery& query = judged[static_cast<std::size_t>(entry->second)];
    const auto place = static_cast<std::int64_t>(query.grades.size());
    const auto [known, fresh] = query.places.emplace(judgement.document, place);
    if (fresh) {
      query.grades.emplace_back(judgement.document, judgement.grade);
    } else {
      ++counts.repeated;
      query.grades[static_cast<std::size_t>(known->second)].second = judgement.grade;
    }
  }
  return judged;
}

std::vector<JudgedQuery> read_judgements(const fs::path& path, const Places& queries, JudgementCounts& counts) {
  return about_file(path, [&] { return parse_judgements(JudgementFile(path, queries), queries, counts); });
}

/// What is relevant to a query; documents that the corpus lacks as −1.
Judgements relevant_of(const JudgedQuery& query, const Places& documents, JudgementCounts& counts,
                       std::unordered_set<std::string>& absent) {
  Judgements relevant;
  for (const auto& [id, grade] : query.grades) {
    const auto found = documents.find(id);
    const bool here = found != documents.end();
    if (!here && absent.insert(id).second && absent.size() == 1) counts.first_missing = id;
    if (grade <= 0) continue;
    if (!here) ++counts.missing_relevant;
    relevant.emplace_back(here ? found->second : -1, grade);
  }
  return relevant;
}

void check_relevant(const RetrievalData& data, const fs::path& judgements) {
  if (data.relevant.empty()) {
    fail_file(judgements, ErrorCode::invalid_file,
              "no query has a document of a grade above 0 ({} queries judged); nothing to find",
              data.counts.queries_left_out);
  }
  const auto in_corpus = [](const Judgements& relevant) {
    return std::any_of(relevant.begin(), relevant.end(), [](const auto& judged) { return judged.first >= 0; });
  };
  if (std::none_of(data.relevant.begin(), data.relevant.end(), in_corpus)) {
    fail_file(judgements, ErrorCode::invalid_file,
              R"(none of the relevant documents is in the corpus (the first: "{:.100}"); do the ids belong to it?)",
              data.counts.first_missing);
  }
}

}  // namespace

RetrievalData read_beir(const fs::path& folder, const std::string& split, const std::string& group_field) {
  RetrievalData data;
  Texts corpus = read_texts(json_lines(folder, "corpus"), true);
  Texts queries = read_texts(json_lines(folder, "queries"), false, group_field);
  const fs::path judgements = judgement_file(folder, split);
  std::unordered_set<std::string> absent;
  for (JudgedQuery& query : read_judgements(judgements, queries.places, data.counts)) {
    Judgements relevant = relevant_of(query, corpus.places, data.counts, absent);
    if (relevant.empty()) {
      ++data.counts.queries_left_out;
      continue;
    }
    const auto place = static_cast<std::size_t>(queries.places.at(query.id));
    const std::string& text = queries.texts[place];
    if (!group_field.empty()) data.groups.push_back(queries.groups[place]);
    const auto same = corpus.places.find(query.id);
    data.same_id.push_back(same == corpus.places.end() ? -1 : same->second);
    if (data.same_id.back() >= 0) {
      ++data.counts.shared_ids;
      data.counts.shared_texts += corpus.texts[static_cast<std::size_t>(same->second)].ends_with(text) ? 1 : 0;
    }
    data.query_ids.push_back(std::move(query.id));
    data.queries.push_back(text);
    data.relevant.push_back(std::move(relevant));
  }
  data.counts.missing_documents = static_cast<std::int64_t>(absent.size());
  data.document_ids = std::move(corpus.ids);
  data.documents = std::move(corpus.texts);
  check_relevant(data, judgements);
  return data;
}

}  // namespace treble
