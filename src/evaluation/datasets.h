// Labelled data in the forms that people keep them in.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace treble {

struct RetrievalData {
  std::vector<std::string> document_ids;
  std::vector<std::string> documents;  ///< "title text", as BEIR joins them
  std::vector<std::string> query_ids;  ///< only those with a judgement
  std::vector<std::string> queries;
  /// [query]: (document, grade > 0), grades as in the file.
  std::vector<std::vector<std::pair<std::int64_t, double>>> relevant;
  /// [query]: the only documents that it is held against (reranking); empty: all queries against all documents.
  std::vector<std::vector<std::int64_t>> candidates;
};

/// A BEIR folder: corpus.jsonl and queries.jsonl ({"_id", "title", "text"}), qrels/<split>.tsv with a heading line
/// (query-id, corpus-id, score). Judgements of documents that the corpus lacks are an error, as are repeated ids.
/// Throws Error{not_found, io} for files, Error{invalid_file} naming file and line.
RetrievalData read_beir(const std::filesystem::path& folder, const std::string& split);

/// Pairs of texts with a number: graded similarity, or 0 and 1.
struct PairData {
  std::vector<std::string> first;
  std::vector<std::string> second;
  std::vector<double> scores;
};

/// JSONL: {"sentence1", "sentence2", "score"}; "label" may stand for "score". Throws as read_beir does.
PairData read_pairs(const std::filesystem::path& path);

/// JSONL: {"query", "positive": [texts], "negative": [texts]}, as mteb's reranking tasks keep them. Lines without a
/// positive or a negative are left out, as there is nothing to order. Throws as read_beir does.
RetrievalData read_reranking(const std::filesystem::path& path);

/// Whether the first line of a JSONL file is one of reranking. Throws Error{not_found, io}.
bool is_reranking(const std::filesystem::path& path);

/// Texts without labels as a retrieval task of their own: the first half of each text is the query that should find the
/// second half. Halves are cut between words; texts of fewer than `least_words` words are left out.
RetrievalData halves_of(const std::vector<std::string>& texts, std::size_t least_words);

}  // namespace treble
