// Calibration of int8 layers: what the rounding of weights does to them, corrected for the inputs that they get.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "kernels/execution.h"
#include "kernels/int8_layer.h"
#include "kernels/weight_rounding.h"
#include "tensor/view.h"

namespace treble::internal {

class LinearBackend;

/// The rounding of a weight is the same for every token, so a mean over tokens does not even it out, and three quarters
/// of what int8 loses come of it. A pass over calibration texts therefore records the inputs of layers, and then rounds
/// their weights again in the light of these (LDLQ; kernels/weight_rounding.h) and corrects their bias:
///   y = Ŵ x + b  has the mean error  (W − Ŵ) E[x],  and so b ← b + (W − Ŵ) E[x]
/// (Nagel et al., arXiv 1906.04721, section 4.2). In three steps:
///   1. layers are built with Linear::Options::calibration;
///   2. texts run one a call with Execution::calibration;
///   3. requantize().
/// Two things keep what is recorded near that of any text: the first and the last row of a call are left out, as
/// special tokens have a share in short texts that they have in no others; and each row weighs 1 / |x|², as some models
/// have tokens a hundred times as large as the rest, whose errors the next norm makes small.
class Int8Calibration {
 public:
  /// With `keeps_layers`, requantize() also gives what became of them.
  explicit Int8Calibration(bool keeps_layers = false) : keeps_layers_(keeps_layers) {}

  class Layer {
   public:
    virtual ~Layer() = default;
    /// Rounds the layer's weights and corrects its bias by what was recorded for it.
    virtual void requantize(WeightRounding& rounding) = 0;
    /// Of a calibration that keeps layers.
    virtual Int8Layer finished() = 0;
  };

  bool keeps_layers() const noexcept { return keeps_layers_; }

  /// For the constructor of a layer, which stays where it is until `requantize`: registers it, and returns where it is
  /// to record its weights. From several threads at once.
  template <typename Backend>
  WeightRounding& add(Backend& layer, const std::string& name, std::int64_t in, std::int64_t out) {
    return add(&layer, layer, name, in, out);
  }

  /// Records rows of x, [rows, in], for a registered layer; ignores others. One call at a time.
  void observe_inputs(const LinearBackend& layer, const Execution& execution, ConstMatrixView x);
  void observe_inputs(const LinearBackend& layer, const Execution& execution, ConstBfloat16View x);

  /// Once; layers that have seen no input, or none that is finite, keep their weights and bias. No layer may be
  /// running. Forgets all layers. Gives them as they are then, in the order of their names, if they are kept.
  std::vector<Int8Layer> requantize(const Execution& execution);

 private:
  struct Entry {
    Layer* layer;
    std::string name;
    std::unique_ptr<WeightRounding> rounding;
  };

  WeightRounding& add(const LinearBackend* key, Layer& layer, const std::string& name, std::int64_t in,
                      std::int64_t out);
  template <typename X>
  void observe_rows(const LinearBackend& layer, const Execution& execution, BasicMatrixView<const X> x);

  bool keeps_layers_;
  std::mutex mutex_;
  std::map<const LinearBackend*, Entry> layers_;
  AlignedBuffer<float> rotated_;
  AlignedBuffer<float> moments_scratch_;
};

}  // namespace treble::internal
