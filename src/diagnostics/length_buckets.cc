#include "diagnostics/length_buckets.h"

#include <algorithm>
#include <random>
#include <utility>

#include "base/fail.h"

namespace treble::internal {

std::vector<LengthBucket> make_buckets(std::span<const std::int64_t> edges, std::int64_t max_length) {
  std::vector<LengthBucket> buckets;
  std::int64_t first = 1;
  for (const std::int64_t edge : edges) {
    if (edge < first) {
      fail(ErrorCode::invalid_argument, "length edges must rise from at least 1, got {} where at least {} was due",
           edge, first);
    }
    if (first > max_length) break;
    buckets.push_back({first, std::min(edge, max_length), 0});
    first = edge + 1;
  }
  if (first <= max_length) buckets.push_back({first, max_length, 0});
  return buckets;
}

std::int64_t bucket_of(std::span<const LengthBucket> buckets, std::int64_t tokens) {
  for (std::size_t index = 0; index < buckets.size(); ++index) {
    if (tokens >= buckets[index].min_tokens && tokens <= buckets[index].max_tokens) {
      return static_cast<std::int64_t>(index);
    }
  }
  return -1;
}

std::vector<std::int64_t> sample_indices(std::vector<std::int64_t> indices, std::int64_t max_count,
                                         std::uint64_t seed) {
  const auto count = static_cast<std::int64_t>(indices.size());
  if (count <= max_count) return indices;
  std::mt19937_64 generator(seed);
  for (std::int64_t place = 0; place < max_count; ++place) {
    const auto left = static_cast<std::uint64_t>(count - place);
    const auto drawn = static_cast<std::size_t>(place) + static_cast<std::size_t>(generator() % left);
    std::swap(indices[static_cast<std::size_t>(place)], indices[drawn]);
  }
  indices.resize(static_cast<std::size_t>(max_count));
  std::sort(indices.begin(), indices.end());
  return indices;
}

}  // namespace treble::internal
