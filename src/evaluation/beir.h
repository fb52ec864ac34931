// Texts, queries and judgements in a folder, as BEIR keeps them.
#pragma once

#include <filesystem>
#include <string>

#include "evaluation/datasets.h"

namespace treble {

/// A folder with corpus.jsonl and queries.jsonl ({"_id", "title", "text"}) and judgements in qrels/<split>.tsv, .txt or
/// .qrels: BEIR's three columns with tabs between them (query-id, corpus-id, score; with or without a heading line) or
/// TREC's four with any white space between them (query, iteration, document, grade). Each may be compressed (.gz,
/// .zst). Ids are compared as texts. Of several grades for a query and document the last one counts. Judged documents
/// that the corpus lacks stay among the relevant ones, as −1; queries without a relevant document are counted and left
/// out. Throws Error{not_found, io} for files, Error{invalid_file} naming file and line: for judged queries that
/// queries.jsonl lacks, for ids that stand twice in one file, and where nothing relevant is in the corpus.
RetrievalData read_beir(const std::filesystem::path& folder, const std::string& split);

}  // namespace treble
