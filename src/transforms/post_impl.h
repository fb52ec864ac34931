// What a fitted transform is made of: one affine map for all kinds.
#pragma once

#include "treble/post_transform.h"

namespace treble {

/// y = P (x − mean) where there is a projection, else (x − mean) without its parts along the directions.
struct PostTransform::Impl {
  PostSpec spec;
  PostProvenance provenance;
  std::vector<float> mean;    ///< [dim]
  std::int64_t rows = 0;      ///< of `matrix`
  std::vector<float> matrix;  ///< [rows, dim]: the projection or the directions (unit length)

  bool projects() const noexcept { return spec.kind == PostKind::whitening; }
  std::int64_t dim() const noexcept { return static_cast<std::int64_t>(mean.size()); }
};

}  // namespace treble
