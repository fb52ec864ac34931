// How evenly vectors fill their space.
#pragma once

#include <cstdint>
#include <vector>

#include "tensor/view.h"

namespace treble::internal {

/// The variance of centred rows along their principal axes.
struct Spectrum {
  std::int64_t dimensions = 0;    ///< columns
  std::vector<double> variances;  ///< eigenvalues of the covariance (1/n), falling; min(rows, cols) of them, each ≥ 0
  std::vector<double> mean;       ///< [cols]
  std::vector<double> axes;       ///< [num_axes, cols], the first principal axes, unit length; the largest entry is > 0
  std::int64_t num_axes = 0;
};

/// By the eigenvectors of the smaller of XᵀX and XXᵀ; `num_axes` of them are kept (fewer when there are fewer rows).
/// No rows give an empty spectrum.
Spectrum covariance_spectrum(ConstMatrixView vectors, std::int64_t num_axes);

/// variances / their sum; all 0 when there is no variance.
std::vector<double> variance_shares(const Spectrum& spectrum);

/// exp(−Σ p ln p) of the shares p: how many axes carry the variance (Roy & Vetterli, EUSIPCO 2007). 0 without variance.
double effective_rank(const Spectrum& spectrum);

/// 1: variance is the same along every axis; towards 0: all of it lies on one (Rudman et al., arXiv 2108.07344,
/// section 4). 0 without variance; 1 for a single dimension.
double isoscore(const Spectrum& spectrum);

/// ln of the mean over pairs of different rows of exp(−2 ‖u − v‖²), u and v scaled to unit length (Wang & Isola, arXiv
/// 2005.10242, t = 2): lower is more uniform, 0 when all are equal. 0 for fewer than two rows.
double uniformity(ConstMatrixView vectors);

}  // namespace treble::internal
