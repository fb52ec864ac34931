// Items of a data set that hang together: they gain and lose alike, so that they are less than their number.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "treble/sweep.h"

namespace treble::internal {

struct ItemGroups {
  std::vector<std::size_t> groups;  ///< as HeldOutOptions::groups; empty where every item stands alone
  std::size_t duplicates = 0;       ///< items whose text (of pairs: both texts) another item before them has
  std::size_t sharing = 0;          ///< queries whose most relevant document is that of another query, too
};

/// By the field that was asked for when the data was read. Otherwise queries of one most relevant document belong
/// together, and exact duplicates do, unless that leaves fewer than ten groups.
ItemGroups item_groups(const SweepData& data);

/// Queries whose relevant documents the corpus lacks.
std::int64_t count_without_document(const RetrievalData& data);

}  // namespace treble::internal
