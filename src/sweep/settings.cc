#include "sweep/settings.h"

#include <algorithm>
#include <array>

namespace treble {

using namespace internal;

namespace {

constexpr std::array kTemperatures = {"0.95", "0.9", "0.85", "0.8", "0.7", "0.6", "log:64", "log:128"};
constexpr std::array kBaselines = {"centring", "whitening", "all-but-the-top", "length-direction"};

void add_new(SweepSetting setting, std::vector<SweepSetting>& settings) {
  const auto same = [&](const SweepSetting& other) { return other.name() == setting.name(); };
  if (std::none_of(settings.begin(), settings.end(), same)) settings.push_back(std::move(setting));
}

SweepSetting setting_of(const SweepBaseline& baseline) {
  SweepSetting setting;
  if (const auto* post = std::get_if<PostSpec>(&baseline)) {
    setting.post = *post;
  } else {
    setting.chunks = std::get<ChunkOptions>(baseline);
  }
  return setting;
}

}  // namespace

std::string SweepSetting::name() const {
  std::string name = temperature.is_identity() ? "" : temperature.to_string();
  const auto add = [&name](const std::string& part) { name += (name.empty() ? "" : " + ") + part; };
  if (!variant.empty()) add(variant);
  if (chunks) add(chunks->to_string());
  if (post) add(post->to_string());
  return name.empty() ? temperature.to_string() : name;
}

SweepBaseline parse_sweep_baseline(std::string_view text) {
  if (ChunkOptions::names(text)) return ChunkOptions::parse(text);
  return PostSpec::parse(text);
}

std::vector<Temperature> default_sweep_temperatures() {
  std::vector<Temperature> temperatures;
  temperatures.reserve(kTemperatures.size());
  for (const char* text : kTemperatures) temperatures.push_back(Temperature::parse(text));
  return temperatures;
}

std::vector<SweepBaseline> default_sweep_baselines() {
  std::vector<SweepBaseline> baselines;
  baselines.reserve(kBaselines.size());
  for (const char* text : kBaselines) baselines.push_back(parse_sweep_baseline(text));
  return baselines;
}

std::string to_string(SweepSide side) {
  constexpr std::array<const char*, 3> kNames = {"both", "query", "document"};
  return kNames[static_cast<std::size_t>(side)];
}

namespace internal {

std::vector<SweepSetting> settings_of(const SweepOptions& options) {
  std::vector<Temperature> temperatures = {{}};
  for (const Temperature& one : options.temperatures ? *options.temperatures : default_sweep_temperatures()) {
    temperatures.push_back(one);
  }
  std::vector<std::string> variants = {""};
  for (const SweepVariant& variant : options.variants) variants.push_back(variant.name);
  std::vector<SweepSetting> settings;
  for (const std::string& variant : variants) {
    for (const Temperature& temperature : temperatures) {
      add_new({.temperature = temperature, .variant = variant}, settings);
    }
  }
  for (const SweepBaseline& baseline : options.baselines ? *options.baselines : default_sweep_baselines()) {
    add_new(setting_of(baseline), settings);
  }
  return settings;
}

}  // namespace internal

}  // namespace treble
