// The vectors that the tasks of a sweep work with.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "sweep/cached_encoder.h"
#include "treble/post_transform.h"

namespace treble::internal {

/// 0, 1, … count − 1.
std::vector<std::size_t> indices_up_to(std::size_t count);

/// Some rows of vectors.
CachedVectors rows_of(const CachedVectors& vectors, std::span<const std::size_t> rows);

/// Those that are not held.
std::vector<std::size_t> indices_outside(const std::vector<bool>& held);

/// After a fitted step, of length 1 where `normalize`.
CachedVectors transformed(const PostTransform& transform, const CachedVectors& vectors, bool normalize);

inline std::span<const float> row(const CachedVectors& vectors, std::size_t index) {
  const auto dim = static_cast<std::size_t>(vectors.dim);
  return std::span(vectors.values).subspan(index * dim, dim);
}

/// Of two sides together.
SweepReading sum_of(SweepReading a, const SweepReading& b);

/// Whether scores differ by more than rounding does: the same texts in two batches differ by up to 1e-6.
class Variation {
 public:
  /// Throws Error{non_finite} naming `what` when a score overflows.
  void add(float score, const char* what);
  bool any() const noexcept;

 private:
  float low_ = 0;
  float high_ = 0;
  bool empty_ = true;
};

/// Encodes the texts of one side. Vectors of the model as trained are kept: sides and fitted steps need them again. A
/// text that several settings of one form and temperature read as a whole is encoded once.
class SideEncoder {
 public:
  /// `encoder` and `texts` must outlive this.
  SideEncoder(const CachedEncoder& encoder, const std::vector<std::string>& texts, SweepPrompt prompt)
      : encoder_(encoder), side_(texts), prompt_(std::move(prompt)) {}

  /// `tempered`: whether the setting's temperature acts on these texts.
  CachedVectors encode(SweepSetting setting, bool tempered);
  /// [text]: the tokens that it has, whatever is read of them.
  const std::vector<std::int64_t>& tokens();
  SweepReading reading(const SweepSetting& setting);

 private:
  /// Vectors of texts that were read as a whole, of one form of the model at one temperature.
  struct Whole {
    std::string key;
    std::int64_t dim = 0;
    std::vector<float> values;  ///< [text, dim]
    std::vector<bool> there;    ///< [text]
  };

  CachedVectors assemble(const SweepSetting& setting);

  const CachedEncoder& encoder_;
  TextSide side_;
  SweepPrompt prompt_;
  std::vector<std::int64_t> tokens_;  ///< empty until they are counted
  Whole whole_;
  std::map<std::string, CachedVectors> kept_;
};

}  // namespace treble::internal
