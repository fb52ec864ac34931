// Steps after the model that were fitted on vectors of unlabelled texts: the usual remedies for vectors that crowd
// together, to hold a temperature against or to use beside it. Equations and when they help: docs/transforms.md.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "treble/export.h"
#include "treble/whole_file.h"

namespace treble {

enum class PostKind {
  centring,          ///< x − μ
  whitening,         ///< Λ^(−1/2) Uᵀ (x − μ), U and Λ of the covariance (Su et al., arXiv 2103.15316)
  all_but_the_top,   ///< x − μ without its parts along the D first principal axes (Mu & Viswanath, arXiv 1702.01417)
  length_direction,  ///< x without its part along the slope of the least-squares regression of x on ln(tokens)
};

/// "centring", "whitening", "whitening:K", "all-but-the-top", "all-but-the-top:D", "length-direction".
struct PostSpec {
  PostKind kind = PostKind::centring;  ///< which step
  /// whitening: dimensions to keep (0: all that carry variance); all_but_the_top: axes to remove (0: a hundredth of the
  /// dimensions, at least 1, as the paper advises).
  std::int64_t components = 0;

  /// Throws Error{invalid_argument} naming what may be written.
  TREBLE_API static PostSpec parse(std::string_view text);
  TREBLE_API std::string to_string() const;  ///< The form that `parse` reads.
};

/// What a transform was fitted on: it belongs to the vectors of that model under those settings.
struct PostProvenance {
  std::string model = {};                  ///< its name
  std::string weights_sha256 = {};         ///< of the encoder's weights
  std::string temperature = {};            ///< in its written form
  std::string pooling = {};                ///< "mean", "cls+mean", …
  std::int64_t texts = 0;                  ///< that it was fitted on
  std::string treble_version = {};         ///< that fitted it
  std::string temperature_canonical = {};  ///< Temperature::canonical; empty in files of earlier versions
  std::string vectors = {};                ///< a JSON object as of provenance_json (treble/provenance.h), or empty
};

/// Immutable once fitted or loaded; `apply` may be called from several threads at once.
class PostTransform {
 public:
  /// A safetensors file. Throws Error{not_found, io, invalid_file} naming what is wrong with it.
  TREBLE_API static PostTransform load(const std::filesystem::path& path);
  /// Whole or not at all (treble/whole_file.h).
  TREBLE_API void save(const std::filesystem::path& path, Existing existing = Existing::replace) const;

  /// vectors [n, input_dim()] → [n, output_dim()], of length 1 where `normalize`. Throws Error{invalid_argument} when
  /// the size is no multiple of input_dim(), Error{non_finite} naming the row when nothing is left of a vector to give
  /// a direction.
  TREBLE_API std::vector<float> apply(std::span<const float> vectors, bool normalize) const;

  /// SHA-256 of what determines the result, to distinguish transforms.
  TREBLE_API std::string sha256() const;

  /// Which step it is.
  TREBLE_API const PostSpec& spec() const noexcept;
  /// What it was fitted on.
  TREBLE_API const PostProvenance& provenance() const noexcept;
  /// Dimensions of the vectors that it takes.
  TREBLE_API std::int64_t input_dim() const noexcept;
  /// Dimensions of the vectors that it gives.
  TREBLE_API std::int64_t output_dim() const noexcept;

  /// What was moved from may only be assigned to or destroyed.
  TREBLE_API PostTransform(PostTransform&&) noexcept;
  /// What was moved from may only be assigned to or destroyed.
  TREBLE_API PostTransform& operator=(PostTransform&&) noexcept;
  TREBLE_API ~PostTransform();

 private:
  friend class PostFitter;
  struct Impl;
  explicit PostTransform(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// Gathers the moments of vectors as they stream by, in double: memory is that of a dim x dim matrix, however many
/// there are.
class PostFitter {
 public:
  /// For vectors of `dim` dimensions.
  TREBLE_API explicit PostFitter(std::int64_t dim);
  /// What was moved from may only be assigned to or destroyed.
  TREBLE_API PostFitter(PostFitter&&) noexcept;
  /// What was moved from may only be assigned to or destroyed.
  TREBLE_API PostFitter& operator=(PostFitter&&) noexcept;
  TREBLE_API ~PostFitter();

  /// vectors [tokens.size(), dim]; tokens: that the model read of each text.
  TREBLE_API void add(std::span<const float> vectors, std::span<const std::int64_t> tokens);
  /// How many were added.
  TREBLE_API std::int64_t texts() const noexcept;
  /// Throws Error{invalid_argument} for fewer than two texts, for vectors that are all the same, for lengths that are
  /// all the same (length_direction), and for more components than there are dimensions with variance.
  TREBLE_API PostTransform fit(const PostSpec& spec, PostProvenance provenance) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace treble
