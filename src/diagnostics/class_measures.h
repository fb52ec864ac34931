// How far the vectors of labelled texts have drawn together by class, and whether class means know texts that they are
// not made of.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "diagnostics/pairwise_cosine.h"
#include "tensor/view.h"
#include "treble/class_collapse.h"

namespace treble::internal {

/// Which texts of a group are measured and how they are dealt: the same in every layer and at every temperature.
struct ClassGroup {
  std::vector<std::int64_t> rows;     ///< of the vectors: texts of classes of two or more, class after class
  std::vector<std::int64_t> classes;  ///< [rows]: 0 … K−1, in the order of the labels
  std::vector<std::int64_t> sizes;    ///< [K]
  std::vector<std::size_t> fitted;    ///< places in `rows`: half of each class, and the odd one
  std::vector<std::size_t> held_out;  ///< the other places
  std::int64_t texts_left_out = 0;    ///< each the only one of its class
  std::string reason;                 ///< why there is nothing to measure; empty: there are two classes

  std::int64_t num_classes() const noexcept { return static_cast<std::int64_t>(sizes.size()); }
};

/// [all vectors] each.
struct ClassLabels {
  std::span<const std::int64_t> classes;     ///< numbered in any way
  std::span<const std::int64_t> texts = {};  ///< the same number: the same text; empty: all differ
};

/// `rows`: of the vectors, those of the group. Texts that are the same and of one class are dealt together.
ClassGroup group_classes(std::span<const std::int64_t> rows, const ClassLabels& labels, std::uint64_t seed);

struct ClassMeasures {
  ClassEstimate estimate;          ///< setting, layer and bucket are the caller's
  std::vector<double> nc1_traces;  ///< [resample]: ÑC1; NaN where class means are all alike
  std::vector<double> correct;     ///< [held-out text]: 1 where its nearest class mean is its own class's, else 0
};

/// Of vectors [texts, dim]. Deterministic for a seed.
ClassMeasures measure_classes(ConstMatrixView vectors, const ClassGroup& group, const BootstrapOptions& options);

/// ÑC1 of `a` over that of `b`, both of the same group, with a paired interval; unset where one is not defined.
std::optional<Interval> nc1_ratio(const ClassMeasures& a, const ClassMeasures& b);

/// Accuracy of `a` less that of `b`, likewise.
std::optional<Interval> accuracy_difference(const ClassMeasures& a, const ClassMeasures& b,
                                            const BootstrapOptions& options);

}  // namespace treble::internal
