#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "sweep/item_groups.h"
#include "treble/sweep.h"

namespace treble {

using namespace internal;

namespace {

/// Texts of fewer words are not cut in halves.
constexpr std::size_t kMinWords = 30;

/// Below it Student's correction rests on little, and skewed gains are judged wrongly.
constexpr std::size_t kFewItems = 30;

std::string counted(std::int64_t count, const char* one, const char* many) {
  return fmt::format("{} {}", count, count == 1 ? one : many);
}

std::string note_on_missing(const RetrievalData& data) {
  const std::int64_t lost = count_without_document(data);
  std::string note =
      fmt::format(R"({} not in the corpus (the first: "{:.100}"); relevant ones count as never found, {} in all)",
                  counted(data.counts.missing_documents, "judged document is", "judged documents are"),
                  data.counts.first_missing, data.counts.missing_relevant);
  if (lost > 0) {
    note += fmt::format("; {} nothing else to find: 0 in every metric, and in no length bucket",
                        counted(lost, "query has", "queries have"));
  }
  return note;
}

std::string note_on_shared_ids(const RetrievalData& data, bool ignored) {
  const auto queries = counted(data.counts.shared_ids, "query has", "queries have");
  if (!ignored) {
    return fmt::format(
        "{} the id of a document ({} its text too); if queries are documents of the corpus themselves, as in ArguAna "
        "and Quora, SweepOptions::ignore_identical_ids keeps each from finding itself",
        queries, data.counts.shared_texts);
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
      "SweepOptions::ignore_identical_ids: {} the document of the same id among the relevant ones, where it can no "
      "longer be found",
      counted(own, "query has", "queries have"));
}

std::string note_on_repeated(std::int64_t count, bool reranks) {
  if (reranks) {
    return fmt::format("{} more than once in the lists of one line; each counts once, as a positive where it is one",
                       counted(count, "text appears", "texts appear"));
  }
  return fmt::format("{} a query and document that were judged before; the last grade counts",
                     counted(count, "judgement is of", "judgements are of"));
}

std::pair<std::size_t, const char*> count_items(const SweepData& data) {
  if (const auto* pairs = std::get_if<PairData>(&data.data)) return {pairs->scores.size(), "pairs"};
  if (const auto* labels = std::get_if<LabelData>(&data.data)) return {labels->texts.size(), "texts"};
  return {std::get<RetrievalData>(data.data).queries.size(), "queries"};
}

/// Too few of them, and those that hang together.
void add_notes_on_items(const SweepData& data, std::vector<std::string>& notes) {
  const auto [items, what] = count_items(data);
  const ItemGroups groups = item_groups(data);
  std::vector<std::size_t> numbers = groups.groups;
  std::sort(numbers.begin(), numbers.end());
  const auto units = static_cast<std::size_t>(std::unique(numbers.begin(), numbers.end()) - numbers.begin());
  const std::size_t independent = numbers.empty() ? items : units;
  if (independent < kFewItems) {
    notes.push_back(
        fmt::format("only {} independent {}: no interval is reliable below {}, and only a large gain can show",
                    independent, what, kFewItems));
  }
  if (groups.duplicates > 0) {
    notes.push_back(fmt::format("{} of {} {} repeat another word for word; they are judged together with it",
                                groups.duplicates, items, what));
  }
  if (groups.sharing > 0) {
    notes.push_back(
        fmt::format("{} of {} queries look for a document that another one looks for, too", groups.sharing, items));
  }
  if (!groups.groups.empty()) {
    notes.push_back(fmt::format("{} {} make {} groups, which are dealt and resampled as a whole", items, what, units));
  }
}

void add_note_on_candidates(const RetrievalData& data, std::vector<std::string>& notes) {
  const JudgementCounts& counts = data.counts;
  if (counts.without_candidates > 0) {
    notes.push_back(fmt::format("{} no candidates in the first ranking: 0 in every metric, whatever the setting",
                                counted(counts.without_candidates, "query has", "queries have")));
  }
  if (counts.without_relevant_candidate > 0) {
    notes.push_back(fmt::format("{} no relevant document among its candidates: 0 in every metric, whatever the setting",
                                counted(counts.without_relevant_candidate, "query has", "queries have")));
  }
}

std::string note_on_left_out(const RetrievalData& data, bool reranks) {
  const std::int64_t left_out = data.counts.queries_left_out;
  return fmt::format(
      "{} of {} {}; they are left out of every average", left_out,
      left_out + static_cast<std::int64_t>(data.queries.size()),
      reranks ? "lines have no positive or no negative text" : "judged queries have no document of a grade above 0");
}

}  // namespace

SweepData read_sweep_data(const std::filesystem::path& path, const std::string& split, const std::string& group_field) {
  if (std::filesystem::exists(path) && is_labelled(path)) {
    return {.name = path.string(), .data = read_labels(path, split, group_field)};
  }
  if (std::filesystem::is_directory(path)) return {.name = path.string(), .data = read_beir(path, split, group_field)};
  if (is_reranking(path)) return {.name = path.string(), .data = read_reranking(path, group_field)};
  return {.name = path.string(), .data = read_pairs(path, group_field)};
}

SweepData unlabelled_sweep_data(std::string name, const std::vector<std::string>& texts) {
  return {.name = std::move(name), .data = retrieval_from_halves(texts, kMinWords), .labelled = false};
}

std::vector<std::string> data_notes(const SweepData& data, bool ignore_identical_ids) {
  std::vector<std::string> notes;
  const auto* retrieval = std::get_if<RetrievalData>(&data.data);
  add_notes_on_items(data, notes);
  if (retrieval == nullptr) return notes;
  const JudgementCounts& counts = retrieval->counts;
  const bool reranks = !retrieval->candidates.empty() && !retrieval->first_stage;
  if (retrieval->first_stage) add_note_on_candidates(*retrieval, notes);
  if (counts.repeated > 0) notes.push_back(note_on_repeated(counts.repeated, reranks));
  if (counts.missing_documents > 0) notes.push_back(note_on_missing(*retrieval));
  if (counts.queries_left_out > 0) notes.push_back(note_on_left_out(*retrieval, reranks));
  if (counts.shared_ids > 0) {
    std::string note = note_on_shared_ids(*retrieval, ignore_identical_ids);
    if (!note.empty()) notes.push_back(std::move(note));
  } else if (ignore_identical_ids) {
    notes.emplace_back("SweepOptions::ignore_identical_ids changes nothing: no query has the id of a document");
  }
  return notes;
}

}  // namespace treble
