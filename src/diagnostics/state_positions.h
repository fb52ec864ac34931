// After how many tokens states are looked at.
#pragma once

#include <cstdint>
#include <vector>

namespace treble::internal {

/// Tokens between the states that are shown: kScanChunk of the scan.
constexpr std::int64_t kStateStep = 64;

/// Multiples of kStateStep up to `longest`, at most `max_count`: all where there are no more, else every one of the
/// first half and then ever further apart; the last is the last multiple.
std::vector<std::int64_t> state_positions(std::int64_t longest, std::int64_t max_count);

/// Indices into `positions` of at most `max_count` of them, spaced likewise, the last one that is at most `kept` among
/// them besides.
std::vector<std::size_t> thinned_positions(const std::vector<std::int64_t>& positions, std::int64_t max_count,
                                           std::int64_t kept);

}  // namespace treble::internal
