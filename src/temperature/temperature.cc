#include "treble/temperature.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <optional>
#include <span>
#include <utility>

#include "base/fail_about.h"
#include "base/number_text.h"
#include "base/sha256.h"
#include "temperature/profile_check.h"

namespace treble {

using namespace internal;

class Temperature::Schedule {
 public:
  virtual ~Schedule() = default;
  virtual double logit_scale(std::int64_t layer, std::int64_t head, std::int64_t n) const noexcept = 0;
  virtual bool depends_on_length() const noexcept { return true; }
  virtual void check_fits(std::int64_t /*num_layers*/, std::int64_t /*num_heads*/) const {}
  virtual std::string to_string() const = 0;
  virtual std::string canonical() const { return to_string(); }
};

struct Temperature::Constant : Schedule {
  explicit Constant(double tau_in) : tau(tau_in) {}
  double logit_scale(std::int64_t, std::int64_t, std::int64_t) const noexcept override { return 1.0 / tau; }
  bool depends_on_length() const noexcept override { return false; }
  std::string to_string() const override { return fmt::format("{}", tau); }
  double tau;
};

struct Temperature::LogLength : Schedule {
  explicit LogLength(double n0_in) : n0(n0_in) {}
  double logit_scale(std::int64_t, std::int64_t, std::int64_t n) const noexcept override {
    const auto length = static_cast<double>(n);
    return length <= n0 ? 1.0 : std::log(length) / std::log(n0);
  }
  std::string to_string() const override { return fmt::format("log:{}", n0); }
  double n0;
};

struct Temperature::ScalableSoftmax : Schedule {
  ScalableSoftmax(double scale_in, double offset_in) : scale(scale_in), offset(offset_in) {}
  double logit_scale(std::int64_t, std::int64_t, std::int64_t n) const noexcept override {
    return scale * std::log(static_cast<double>(n)) + offset;
  }
  std::string to_string() const override {
    return offset == 0 ? fmt::format("ssmax:{}", scale) : fmt::format("ssmax:{},{}", scale, offset);
  }
  double scale;
  double offset;
};

struct Temperature::Yarn : Schedule {
  explicit Yarn(double n0_in) : n0(n0_in) {}
  double logit_scale(std::int64_t, std::int64_t, std::int64_t n) const noexcept override {
    const auto length = static_cast<double>(n);
    if (length <= n0) return 1.0;
    const double amplitude = 0.1 * std::log(length / n0) + 1;
    return amplitude * amplitude;
  }
  std::string to_string() const override { return fmt::format("yarn:{}", n0); }
  double n0;
};

struct Temperature::Profile : Schedule {
  Profile(TemperatureProfile table_in, std::string name_in) : table(std::move(table_in)), name(std::move(name_in)) {}

  double logit_scale(std::int64_t layer, std::int64_t head, std::int64_t n) const noexcept override {
    const auto& heads = table.logit_scales[static_cast<std::size_t>(layer)];
    const auto& column = heads[heads.size() == 1 ? 0 : static_cast<std::size_t>(head)];
    const auto& lengths = table.lengths;
    const auto above = std::lower_bound(lengths.begin(), lengths.end(), n);
    if (above == lengths.begin()) return column.front();
    if (above == lengths.end()) return column.back();
    const auto index = static_cast<std::size_t>(above - lengths.begin());
    const double low = column[index - 1];
    const double high = column[index];
    // At its lengths, and on flat stretches, a profile is exactly what is written.
    if (n == lengths[index] || low == high) return high;
    const double place = std::log(static_cast<double>(n) / static_cast<double>(lengths[index - 1])) /
                         std::log(static_cast<double>(lengths[index]) / static_cast<double>(lengths[index - 1]));
    return low + place * (high - low);
  }

  bool depends_on_length() const noexcept override {
    for (const auto& heads : table.logit_scales) {
      for (const auto& column : heads) {
        for (const double scale : column) {
          if (scale != column.front()) return true;
        }
      }
    }
    return false;
  }

  void check_fits(std::int64_t num_layers, std::int64_t num_heads) const override {
    if (table.num_layers() != num_layers || (table.num_heads() != 1 && table.num_heads() != num_heads)) {
      fail_about(
          name, ErrorCode::invalid_argument,
          "temperature profile {} is for {} layers of {} heads, the model has {} layers of {}; make one for it with "
          "treble calibrate",
          name, table.num_layers(), table.num_heads(), num_layers, num_heads);
    }
  }

  std::string to_string() const override { return "match:" + name; }

  std::string canonical() const override {
    // fmt writes a double with as many digits as it takes to read back the same one.
    const std::string numbers = fmt::format("{} {}", table.lengths, table.logit_scales);
    Sha256 hash;
    hash.update(std::as_bytes(std::span(numbers.data(), numbers.size())));
    return "profile:" + hash.hex_digest();
  }

  TemperatureProfile table;
  std::string name;
};

namespace {

constexpr const char* kForms =
    "a number greater than 0 such as 0.8 (1 is the model as trained), log:N0, ssmax:S[,B], yarn:N0, or match:FILE";

[[noreturn]] void fail_form(std::string_view text) {
  fail(ErrorCode::invalid_argument, "temperature \"{:.200}\" is not understood; write {}", text, kForms);
}

std::optional<double> read_number(std::string_view text) {
  const auto value = number_in<double>(text);
  return value && std::isfinite(*value) ? value : std::nullopt;
}

double number_of(std::string_view part, std::string_view text) {
  const auto value = read_number(part);
  if (!value) fail_form(text);
  return *value;
}

/// The length N0 of log: and yarn:, from which on something happens.
double length_of(std::string_view part, std::string_view text, double min) {
  const double n0 = number_of(part, text);
  if (n0 < min || n0 > 1e9) {
    fail(ErrorCode::invalid_argument, "temperature \"{}\": N0 must be a length in tokens from {} to 1e9", text, min);
  }
  return n0;
}

}  // namespace

Temperature Temperature::constant(double tau) {
  // The logit scale is used in float32, so it has to be finite and non-zero there as well.
  const auto narrow = static_cast<float>(1.0 / tau);
  if (!std::isfinite(tau) || tau <= 0 || !std::isfinite(narrow) || !(narrow > 0)) {
    fail(ErrorCode::invalid_argument, "temperature must be a number greater than 0 (1 is the model as trained), got {}",
         tau);
  }
  if (tau == 1.0) return {};
  return Temperature(std::make_shared<const Constant>(tau));
}

Temperature Temperature::from_profile(TemperatureProfile profile, std::string name) {
  check_profile(profile, name, ErrorCode::invalid_argument);
  return Temperature(std::make_shared<const Profile>(std::move(profile), std::move(name)));
}

Temperature Temperature::parse(std::string_view text) {
  const auto colon = text.find(':');
  const std::string_view kind = text.substr(0, colon);
  const std::string_view rest = colon == std::string_view::npos ? std::string_view() : text.substr(colon + 1);
  if (kind == "match" || text.ends_with(".json")) {
    const std::string file(kind == "match" ? rest : text);
    return from_profile(read_profile(file), file);
  }
  if (colon == std::string_view::npos) {
    const auto tau = read_number(text);
    if (!tau) fail_form(text);
    return constant(*tau);
  }
  if (kind == "log") return Temperature(std::make_shared<const LogLength>(length_of(rest, text, 2)));
  if (kind == "yarn") return Temperature(std::make_shared<const Yarn>(length_of(rest, text, 1)));
  if (kind != "ssmax") fail_form(text);
  const auto comma = rest.find(',');
  const double scale = number_of(rest.substr(0, comma), text);
  const double offset = comma == std::string_view::npos ? 0 : number_of(rest.substr(comma + 1), text);
  if (!(scale > 0 && scale <= 1e3 && offset >= 0 && offset <= 1e3)) {
    fail(ErrorCode::invalid_argument, "temperature \"{}\": S must be above 0 and B at least 0, both at most 1000",
         text);
  }
  return Temperature(std::make_shared<const ScalableSoftmax>(scale, offset));
}

double Temperature::logit_scale(std::int64_t layer, std::int64_t head, std::int64_t n) const noexcept {
  return schedule_ == nullptr ? 1.0 : schedule_->logit_scale(layer, head, n);
}

bool Temperature::depends_on_length() const noexcept { return schedule_ != nullptr && schedule_->depends_on_length(); }

void Temperature::check_fits(std::int64_t num_layers, std::int64_t num_heads) const {
  if (schedule_ != nullptr) schedule_->check_fits(num_layers, num_heads);
}

std::string Temperature::to_string() const { return schedule_ == nullptr ? "1" : schedule_->to_string(); }

std::string Temperature::canonical() const { return schedule_ == nullptr ? "1" : schedule_->canonical(); }

}  // namespace treble
