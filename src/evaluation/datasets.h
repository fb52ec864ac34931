// Labelled data in the forms that people keep them in.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace treble {

/// What was noticed while judgements were read, for whoever relies on them.
struct JudgementCounts {
  std::int64_t repeated = 0;          ///< judgements of a query and document that were judged before
  std::int64_t never_found = 0;       ///< relevant documents (of one query each) that the corpus lacks
  std::int64_t absent_documents = 0;  ///< judged documents that the corpus lacks, of whatever grade
  std::string first_absent;           ///< the id of the first of them
  std::int64_t queries_apart = 0;     ///< judged queries that have nothing to find, and so are not among the queries
  std::int64_t same_ids = 0;          ///< queries with the id of a document
  std::int64_t same_texts = 0;        ///< those of them whose document ends in the query's text
};

struct RetrievalData {
  std::vector<std::string> document_ids;
  std::vector<std::string> documents;  ///< "title text", as BEIR joins them
  std::vector<std::string> query_ids;  ///< only those with a relevant document
  std::vector<std::string> queries;
  /// [query]: (document, grade > 0), at least one, grades as in the file. Document −1: not in the corpus, so that no
  /// ranking finds it.
  std::vector<std::vector<std::pair<std::int64_t, double>>> relevant;
  /// [query]: the only documents that it is held against (reranking); empty: all queries against all documents.
  std::vector<std::vector<std::int64_t>> candidates;
  /// [query]: the document with the query's own id, −1 for none; empty where ids are not given.
  std::vector<std::int64_t> same_id;
  JudgementCounts counts;
};

/// Pairs of texts with a number: graded similarity, or 0 and 1.
struct PairData {
  std::vector<std::string> first;
  std::vector<std::string> second;
  std::vector<double> scores;
};

/// JSONL, compressed or not: {"sentence1", "sentence2", "score"}; "label" may stand for "score". Throws
/// Error{not_found, io}, and Error{invalid_file} naming file and line, or the one score that all of several pairs have.
PairData read_pairs(const std::filesystem::path& path);

/// JSONL, compressed or not: {"query", "positive": [texts], "negative": [texts]}, as mteb's reranking tasks keep them.
/// Lines without a positive or a negative are counted and left out, as there is nothing to order; a text that stands in
/// both lists is a positive. Throws as read_pairs does.
RetrievalData read_reranking(const std::filesystem::path& path);

/// Whether the first line of a JSONL file is one of reranking. Throws as read_pairs does.
bool is_reranking(const std::filesystem::path& path);

/// Texts without labels as a retrieval task of their own: the first half of each text is the query that should find the
/// second half. Halves are cut between words; texts of fewer than `least_words` words are left out.
RetrievalData halves_of(const std::vector<std::string>& texts, std::size_t least_words);

}  // namespace treble
