#include "bake/logit_scales.h"

#include <algorithm>

#include "base/fail.h"

namespace treble::internal {

namespace {

void check_constant(const Temperature& temperature) {
  if (!temperature.depends_on_length()) return;
  fail(ErrorCode::invalid_argument,
       "temperature {} cannot be baked: it depends on how long each text is, and weights are the same for all texts; "
       "bake "
       "a number such as 0.8 or a profile with a single length, or serve this schedule with treble",
       temperature.to_string());
}

}  // namespace

LogitScales::LogitScales(const Temperature& temperature, const EncoderConfig& config) {
  temperature.check_fits(config.num_layers, config.num_heads);
  check_constant(temperature);
  for (std::int64_t layer = 0; layer < config.num_layers; ++layer) {
    std::vector<double> heads;
    heads.reserve(static_cast<std::size_t>(config.num_heads));
    for (std::int64_t head = 0; head < config.num_heads; ++head) {
      heads.push_back(temperature.logit_scale(layer, head, 1));
    }
    layers_.push_back(std::move(heads));
  }
}

bool LogitScales::is_identity() const {
  return std::all_of(layers_.begin(), layers_.end(), [](const auto& heads) {
    return std::all_of(heads.begin(), heads.end(), [](double scale) { return scale == 1.0; });
  });
}

bool LogitScales::equal_over_layers() const {
  return std::all_of(layers_.begin(), layers_.end(), [this](const auto& heads) { return heads == layers_.front(); });
}

bool LogitScales::equal_over_heads() const {
  return std::all_of(layers_.begin(), layers_.end(), [](const auto& heads) {
    return std::all_of(heads.begin(), heads.end(), [&heads](double scale) { return scale == heads.front(); });
  });
}

}  // namespace treble::internal
