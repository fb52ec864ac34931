// Which texts a classifier is trained on.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace treble::internal {

/// [experiment]: places of the texts that mteb trains with (AbsTaskClassification._undersample_data of mteb 2.26, its
/// seed 42): the first `per_label` of each label in a shuffled order, which each experiment shuffles further. In the
/// order in which they are met.
std::vector<std::vector<std::size_t>> training_samples(std::span<const std::int64_t> labels, std::size_t per_label,
                                                       std::size_t experiments);

}  // namespace treble::internal
