// What the rounding of weights does to a layer's mean output, taken back by its bias.
#pragma once

#include <mutex>
#include <vector>

namespace treble {

/// The rounding of a weight is the same for every token, so a mean over tokens does not even it out:
///   y = Ŵ x + b  is off by  (W − Ŵ) E[x]  on average, and so b ← b + (W − Ŵ) E[x]
/// (bias correction; Nagel et al., arXiv 1906.04721, section 4.2). The mean is that of the inputs which layers see
/// between their construction with Linear::Options::correction and `finish`, a text a call. Two things keep it near
/// that of any text: the first and the last row of a call are left out, as special tokens have a share in short texts
/// that they have in no others; and each row weighs 1 / |x|², as some models have tokens a hundred times as large as
/// the rest, whose errors the next norm makes small.
class BiasCorrection {
 public:
  class Layer {
   public:
    virtual ~Layer() = default;
    /// Corrects the bias and forgets what was noted for it.
    virtual void finish_correction() = 0;
  };

  /// `layer` stays where it is until `finish`. From several threads at once.
  void add(Layer& layer);
  /// Once; layers that have seen no input, or none whose mean is finite, keep their bias. No layer may be running.
  void finish();

 private:
  std::mutex mutex_;
  std::vector<Layer*> layers_;
};

}  // namespace treble
