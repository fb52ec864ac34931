#include "treble/temperature.h"

#include <charconv>
#include <cmath>

#include "base/fail.h"

namespace treble {

Temperature Temperature::constant(double tau) {
  // The logit scale is used in float32, so it has to be finite and non-zero there as well.
  const double scale = 1.0 / tau;
  const auto narrow = static_cast<float>(scale);
  if (!std::isfinite(tau) || tau <= 0 || !std::isfinite(narrow) || !(narrow > 0)) {
    fail(ErrorCode::invalid_argument, "temperature must be a number greater than 0 (1 is the model as trained), got {}",
         tau);
  }
  Temperature result;
  result.tau_ = tau;
  result.logit_scale_ = scale;
  return result;
}

Temperature Temperature::parse(std::string_view text) {
  double tau = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), tau);
  if (error != std::errc() || end != text.data() + text.size()) {
    fail(ErrorCode::invalid_argument,
         "temperature \"{}\" is not understood; write a number greater than 0, such as 0.8", text);
  }
  return constant(tau);
}

std::string Temperature::to_string() const { return fmt::format("{}", tau_); }

}  // namespace treble
