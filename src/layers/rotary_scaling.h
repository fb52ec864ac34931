// How the frequencies of rotary positions come about, as transformers' modeling_rope_utils.py computes them.
#pragma once

#include <cstdint>
#include <vector>

namespace treble::internal {

/// "rope_type" of a config.
enum class RotaryScaling {
  none,      ///< "default"
  linear,    ///< frequencies / factor (Chen et al., arXiv 2306.15595)
  ntk,       ///< GTE's fixed NTK scaling: base · factor, then frequencies / factor^(2 / dim)
  dynamic,   ///< NTK scaling by a text's own length, once that is beyond `original_positions`
  yarn,      ///< between interpolation and none, by wavelength (Peng et al., arXiv 2309.00071)
  longrope,  ///< a factor a frequency: one list up to `original_positions`, another beyond (Ding et al., arXiv
             ///< 2402.13753)
  llama3,    ///< low frequencies / factor (Grattafiori et al., arXiv 2407.21783)
};

const char* rotary_scaling_name(RotaryScaling scaling) noexcept;

/// The rotary positions of layers of one kind.
struct RotaryConfig {
  double base = 0;  ///< 0: no rotary positions
  RotaryScaling scaling = RotaryScaling::none;
  double factor = 1;
  double attention_factor = 1;      ///< multiplies cosines and sines, so its square the logits (yarn, longrope)
  double original_positions = 0;    ///< that the model was trained with before it was stretched
  double low_frequency_factor = 1;  ///< llama3
  double high_frequency_factor = 4;
  double beta_fast = 32;  ///< yarn: rotations over `original_positions` above which nothing is interpolated
  double beta_slow = 1;   ///< and below which everything is
  bool truncate = true;   ///< yarn: the bounds between the two are rounded to whole dimensions
  std::vector<double> short_factors = {};  ///< longrope, dim / 2 of them
  std::vector<double> long_factors = {};

  /// Whether texts longer than `original_positions` have frequencies of their own.
  bool depends_on_length() const noexcept {
    return scaling == RotaryScaling::dynamic || scaling == RotaryScaling::longrope;
  }
};

/// The dim / 2 frequencies for a text of `length` tokens.
std::vector<double> rotary_frequencies(const RotaryConfig& rotary, std::int64_t dim, std::int64_t length);

/// base^(−2i/dim) for i < dim / 2.
std::vector<double> rotary_frequencies(double base, std::int64_t dim);

}  // namespace treble::internal
