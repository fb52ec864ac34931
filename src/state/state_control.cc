#include "treble/state_control.h"

#include <fmt/ranges.h>

#include <cmath>
#include <cstddef>
#include <span>
#include <utility>

#include "base/fail_about.h"
#include "base/number_text.h"
#include "base/sha256.h"
#include "state/norms_check.h"

namespace treble {

using namespace internal;

/// Only one of them says something.
struct StateControl::Settings {
  double retain = 1;
  double insert = 1;
  std::optional<std::int64_t> window = {};
  double max_norm = std::numeric_limits<double>::infinity();
  std::vector<std::vector<double>> max_norms = {};
  std::string written;
};

namespace {

constexpr const char* kForms = "none, rri:A,B such as rri:0.9999,0.75, window:R, norm:P, or norm:FILE.json";

[[noreturn]] void fail_form(std::string_view text) {
  fail(ErrorCode::invalid_argument, "state control \"{:.200}\" is not understood; write {}", text, kForms);
}

template <typename Number>
Number number_of(std::string_view part, std::string_view text) {
  const auto value = number_in<Number>(part);
  if (!value) fail_form(text);
  return *value;
}

}  // namespace

StateControl StateControl::from_norms(StateNorms norms, std::string name) {
  check_norms(norms, name, ErrorCode::invalid_argument);
  return StateControl(std::make_shared<const Settings>(
      Settings{.max_norms = std::move(norms.max_norms), .written = "norm:" + std::move(name)}));
}

StateControl StateControl::parse(std::string_view text) {
  if (text == "none") return {};
  const auto colon = text.find(':');
  if (colon == std::string_view::npos) fail_form(text);
  const std::string_view kind = text.substr(0, colon);
  const std::string_view rest = text.substr(colon + 1);
  Settings settings{.written = std::string(text)};
  if (kind == "rri") {
    const auto comma = rest.find(',');
    if (comma == std::string_view::npos) fail_form(text);
    settings.retain = number_of<double>(rest.substr(0, comma), text);
    settings.insert = number_of<double>(rest.substr(comma + 1), text);
    if (!(settings.retain > 0 && settings.retain <= 1 && settings.insert > 0 && settings.insert <= 1e6)) {
      fail(ErrorCode::invalid_argument,
           "state control \"{}\": A must be above 0 and at most 1, B above 0 and at most 1e6", text);
    }
    if (settings.retain == 1 && settings.insert == 1) return {};
  } else if (kind == "window") {
    settings.window = number_of<std::int64_t>(rest, text);
    if (*settings.window < 1) fail(ErrorCode::invalid_argument, "state control \"{}\": R must be at least 1", text);
  } else if (kind == "norm" && rest.ends_with(".json")) {
    const std::string file(rest);
    return from_norms(read_state_norms(file), file);
  } else if (kind == "norm") {
    settings.max_norm = number_of<double>(rest, text);
    if (!(settings.max_norm > 0)) fail(ErrorCode::invalid_argument, "state control \"{}\": P must be above 0", text);
    if (std::isinf(settings.max_norm)) return {};
  } else {
    fail_form(text);
  }
  return StateControl(std::make_shared<const Settings>(std::move(settings)));
}

double StateControl::retain() const noexcept { return settings_ == nullptr ? 1 : settings_->retain; }

double StateControl::insert() const noexcept { return settings_ == nullptr ? 1 : settings_->insert; }

std::optional<std::int64_t> StateControl::window() const noexcept {
  return settings_ == nullptr ? std::nullopt : settings_->window;
}

double StateControl::max_norm(std::int64_t layer, std::int64_t head) const noexcept {
  if (settings_ == nullptr) return std::numeric_limits<double>::infinity();
  if (settings_->max_norms.empty()) return settings_->max_norm;
  return settings_->max_norms[static_cast<std::size_t>(layer)][static_cast<std::size_t>(head)];
}

void StateControl::check_fits(std::int64_t num_layers, std::int64_t num_heads) const {
  if (settings_ == nullptr || settings_->max_norms.empty()) return;
  const auto& norms = settings_->max_norms;
  if (std::cmp_equal(norms.size(), num_layers) && std::cmp_equal(norms.front().size(), num_heads)) return;
  const std::string file = settings_->written.substr(std::string_view("norm:").size());
  fail_about(
      file, ErrorCode::invalid_argument,
      "the norms of {} are for {} layers of {} heads, the model has {} layers of {}; make some for it with treble "
      "calibrate",
      file, norms.size(), norms.front().size(), num_layers, num_heads);
}

std::string StateControl::to_string() const { return settings_ == nullptr ? "none" : settings_->written; }

std::string StateControl::canonical() const {
  if (settings_ == nullptr || settings_->max_norms.empty()) return to_string();
  // fmt writes a double with as many digits as it takes to read back the same one.
  const std::string numbers = fmt::format("{}", settings_->max_norms);
  Sha256 hash;
  hash.update(std::as_bytes(std::span(numbers.data(), numbers.size())));
  return "norms:" + hash.hex_digest();
}

}  // namespace treble
