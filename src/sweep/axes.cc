#include "sweep/axes.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <utility>

namespace treble::internal {

namespace {

struct Way {
  const char* name;
  bool (*differs)(const SweepSetting& setting);
};

constexpr std::array<Way, 5> kWays = {
    {{"temperature", [](const SweepSetting& s) { return !s.temperature.is_identity(); }},
     {"state", [](const SweepSetting& s) { return !s.state.is_identity(); }},
     {"post", [](const SweepSetting& s) { return s.post || s.chunks; }},
     {"max-length", [](const SweepSetting& s) { return s.max_length.has_value(); }},
     {"model form", [](const SweepSetting& s) { return !s.variant.empty(); }}}};

bool differs_in(const SweepSetting& setting, const std::string& name) {
  return std::any_of(kWays.begin(), kWays.end(),
                     [&](const Way& way) { return way.name == name && way.differs(setting); });
}

bool differs_only_in(const SweepSetting& setting, const std::string& name) {
  return std::all_of(kWays.begin(), kWays.end(),
                     [&](const Way& way) { return way.differs(setting) == (way.name == name); });
}

}  // namespace

std::vector<SweepAxis> find_axes(const std::vector<SweepSetting>& settings) {
  std::vector<SweepAxis> axes;
  for (const Way& way : kWays) {
    if (std::none_of(settings.begin(), settings.end(), way.differs)) continue;
    SweepAxis& axis = axes.emplace_back();
    axis.name = way.name;
    axis.settings = static_cast<std::size_t>(std::count_if(
        settings.begin(), settings.end(), [&](const SweepSetting& s) { return differs_only_in(s, axis.name); }));
  }
  if (axes.size() < 2) axes.clear();
  return axes;
}

std::vector<HeldOutContrast> contrasts_of(const std::vector<SweepAxis>& axes,
                                          const std::vector<SweepSetting>& settings) {
  std::vector<HeldOutContrast> contrasts;
  for (const SweepAxis& axis : axes) {
    HeldOutContrast alone = {{0}, {0}};
    HeldOutContrast added;
    for (std::size_t s = 0; s < settings.size(); ++s) {
      if (differs_only_in(settings[s], axis.name)) alone.candidates.push_back(s);
      if (!differs_in(settings[s], axis.name)) added.against.push_back(s);
      added.candidates.push_back(s);
    }
    contrasts.push_back(std::move(alone));
    contrasts.push_back(std::move(added));
  }
  return contrasts;
}

void fill_axes(std::vector<HeldOutGain> answers, std::vector<SweepAxis>& axes) {
  for (std::size_t axis = 0; axis < axes.size(); ++axis) {
    axes[axis].alone = std::move(answers[2 * axis]);
    axes[axis].added = std::move(answers[2 * axis + 1]);
  }
}

}  // namespace treble::internal
