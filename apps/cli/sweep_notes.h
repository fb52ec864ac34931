// What a person should know about labelled data before relying on its numbers.
#pragma once

#include <string>
#include <vector>

#include "evaluation/datasets.h"

namespace treble::cli {

/// One sentence each: repeated judgements, judged documents that are not there, queries with nothing to find, and ids
/// that queries and documents share.
std::vector<std::string> notes_on(const RetrievalData& data, bool ignores_identical_ids);

}  // namespace treble::cli
