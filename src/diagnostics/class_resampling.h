// What class scatters are when texts are resampled within their class.
#pragma once

#include <Eigen/Core>
#include <cstdint>
#include <span>
#include <vector>

#include "base/percentile_interval.h"
#include "diagnostics/pairwise_cosine.h"
#include "treble/evaluation.h"

namespace treble::internal {

/// [resample] each; NaN where a measure is not defined. Those of nc1 and nc2 are of the first of the resamples: they
/// take the principal axes of the class means, and every text on them.
struct ClassResamples {
  std::vector<double> within;
  std::vector<double> between;
  std::vector<double> nc1_traces;
  std::vector<double> nc1;
  std::vector<double> nc2;
};

/// `h` [dim, texts] with mean 0, class after class; `sizes` [classes]. The same draws for a seed and sizes, whatever h
/// is: what two calls give can be compared resample by resample.
ClassResamples resample_classes(const Eigen::MatrixXd& h, std::span<const std::int64_t> sizes,
                                const BootstrapOptions& options);

/// Percentiles of the resamples' logarithms, shifted so that their mean is that of `value`: a text drawn twice makes
/// its class tighter, so resamples lie beside what they are resamples of. No width where nothing positive was
/// resampled.
Interval centred_interval(double value, const std::vector<double>& resampled, const Resampled& of);

}  // namespace treble::internal
