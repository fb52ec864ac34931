// Texts grouped by length, and samples of them.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "treble/collapse_report.h"

namespace treble::internal {

/// Buckets 1…edges[0], edges[0]+1…edges[1] and so on up to max_length, which closes the last one.
/// Throws Error{invalid_argument} unless edges rise and are positive.
std::vector<LengthBucket> make_buckets(std::span<const std::int64_t> edges, std::int64_t max_length);

/// The bucket of a length, -1 for 0 tokens or more than the last bucket holds.
std::int64_t bucket_of(std::span<const LengthBucket> buckets, std::int64_t tokens);

/// At most `most` of the indices, drawn without replacement, in ascending order; deterministic for a seed.
std::vector<std::int64_t> sample_indices(std::vector<std::int64_t> indices, std::int64_t max_count, std::uint64_t seed);

}  // namespace treble::internal
