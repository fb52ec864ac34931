#include "sweep_notes.h"

#include <fmt/format.h>

#include <algorithm>

namespace treble::cli {

namespace {

std::string counted(std::int64_t count, const char* one, const char* many) {
  return fmt::format("{} {}", count, count == 1 ? one : many);
}

std::string note_on_absent(const RetrievalData& data) {
  const auto lost = std::count_if(data.relevant.begin(), data.relevant.end(), [](const auto& relevant) {
    return std::all_of(relevant.begin(), relevant.end(), [](const auto& judged) { return judged.first < 0; });
  });
  std::string note =
      fmt::format(R"({} not in the corpus (the first: "{:.100}"); relevant ones count as never found, {} in all)",
                  counted(data.counts.absent_documents, "judged document is", "judged documents are"),
                  data.counts.first_absent, data.counts.never_found);
  if (lost > 0) {
    note += fmt::format("; {} nothing else to find: 0 in every metric, and in no length bucket",
                        counted(lost, "query has", "queries have"));
  }
  return note;
}

std::string note_on_same_ids(const RetrievalData& data, bool ignored) {
  const auto queries = counted(data.counts.same_ids, "query has", "queries have");
  if (!ignored) {
    return fmt::format(
        "{} the id of a document ({} its text too); if queries stand in the corpus themselves, as in ArguAna and "
        "Quora, "
        "--ignore-identical-ids keeps each from finding itself",
        queries, data.counts.same_texts);
  }
  std::int64_t own = 0;
  for (std::size_t query = 0; query < data.same_id.size(); ++query) {
    const auto& relevant = data.relevant[query];
    own += data.same_id[query] >= 0 && std::any_of(relevant.begin(), relevant.end(), [&](const auto& judged) {
             return judged.first == data.same_id[query];
           });
  }
  if (own == 0) return {};
  return fmt::format(
      "--ignore-identical-ids: {} the document of the same id among the relevant ones, where it can no "
      "longer be found",
      counted(own, "query has", "queries have"));
}

}  // namespace

std::vector<std::string> notes_on(const RetrievalData& data, bool ignores_identical_ids) {
  const JudgementCounts& counts = data.counts;
  const bool reranks = !data.candidates.empty();
  std::vector<std::string> notes;
  if (counts.repeated > 0) {
    notes.push_back(reranks ? fmt::format("{} more than once in the lists of one line; each counts once, as a positive "
                                          "where it is one",
                                          counted(counts.repeated, "text stands", "texts stand"))
                            : fmt::format("{} a query and document that were judged before; the last grade counts",
                                          counted(counts.repeated, "judgement is of", "judgements are of")));
  }
  if (counts.absent_documents > 0) notes.push_back(note_on_absent(data));
  if (counts.queries_apart > 0) {
    const auto all = counts.queries_apart + static_cast<std::int64_t>(data.queries.size());
    notes.push_back(fmt::format(
        "{} of {} {}; they stand apart, in no average", counts.queries_apart, all,
        reranks ? "lines have no positive or no negative text" : "judged queries have no document of a grade above 0"));
  }
  if (counts.same_ids > 0) {
    if (std::string note = note_on_same_ids(data, ignores_identical_ids); !note.empty()) notes.push_back(note);
  } else if (ignores_identical_ids) {
    notes.emplace_back("--ignore-identical-ids changes nothing: no query has the id of a document");
  }
  return notes;
}

}  // namespace treble::cli
