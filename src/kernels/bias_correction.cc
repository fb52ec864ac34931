#include "kernels/bias_correction.h"

namespace treble {

void BiasCorrection::add(Layer& layer) {
  const std::scoped_lock lock(mutex_);
  layers_.push_back(&layer);
}

void BiasCorrection::finish() {
  for (Layer* layer : layers_) layer->finish_correction();
  layers_.clear();
}

}  // namespace treble
