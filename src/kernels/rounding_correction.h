// What the rounding of weights does to layers, made good once they have seen inputs.
#pragma once

#include <mutex>
#include <vector>

#include "kernels/execution.h"

namespace treble::internal {

/// The rounding of a weight is the same for every token, so a mean over tokens does not even it out, and three quarters
/// of what int8 loses come of it. Layers therefore note the inputs which they see between their construction with
/// Linear::Options::correction and `finish`, a text a call, and then round their weights again in the light of these
/// (kernels/weight_rounding.h) and correct their bias:
///   y = Ŵ x + b  is off by  (W − Ŵ) E[x]  on average, and so b ← b + (W − Ŵ) E[x]
/// (Nagel et al., arXiv 1906.04721, section 4.2). Two things keep what is noted near that of any text: the first and
/// the last row of a call are left out, as special tokens have a share in short texts that they have in no others; and
/// each row weighs 1 / |x|², as some models have tokens a hundred times as large as the rest, whose errors the next
/// norm makes small.
class RoundingCorrection {
 public:
  class Layer {
   public:
    virtual ~Layer() = default;
    /// Corrects the layer and forgets what was noted for it.
    virtual void finish_correction() = 0;
  };

  /// `layer` stays where it is until `finish`. From several threads at once.
  void add(Layer& layer);
  /// Once; layers that have seen no input, or none that is finite, stay as they are. No layer may be running.
  void finish(const Execution& execution);

 private:
  std::mutex mutex_;
  std::vector<Layer*> layers_;
};

}  // namespace treble::internal
