#include "engine/state_inspection.h"

#include <algorithm>
#include <span>
#include <string_view>
#include <utility>

#include "diagnostics/state_growth.h"
#include "diagnostics/state_positions.h"
#include "engine/encoder_access.h"

namespace treble::internal {

namespace {

/// At which growth is judged: every chunk of texts of up to 32,768 tokens. Bounds what is kept of a text.
constexpr std::int64_t kMaxPositions = 512;

/// In the order of the sample.
std::vector<std::string_view> longest_of(const std::vector<SampledText>& texts, std::int64_t count) {
  std::vector<const SampledText*> order;
  order.reserve(texts.size());
  for (const SampledText& text : texts) order.push_back(&text);
  std::stable_sort(order.begin(), order.end(), [](const auto* a, const auto* b) { return a->used > b->used; });
  order.resize(std::min(order.size(), static_cast<std::size_t>(count)));
  std::vector<std::string_view> chosen;
  chosen.reserve(order.size());
  for (const SampledText* text : order) chosen.emplace_back(text->text);
  return chosen;
}

}  // namespace

StateInspection::StateInspection(const SentenceEncoder& encoder, const InspectOptions& options,
                                 const EncodeOptions& encode, const std::vector<SampledText>& texts,
                                 const std::vector<std::int64_t>& layers)
    : encoder_(encoder), texts_(EncoderAccess::tokenize(encoder, longest_of(texts, options.probe_texts), encode)) {
  for (const TokenizedText& text : texts_) {
    report_.longest_text = std::max<std::int64_t>(report_.longest_text, std::ssize(text.ids));
  }
  place_.layers = layers;
  std::sort(place_.layers.begin(), place_.layers.end());
  place_.layers.erase(std::unique(place_.layers.begin(), place_.layers.end()), place_.layers.end());
  place_.num_heads = encoder.info().num_heads;
  place_.positions = state_positions(report_.longest_text, kMaxPositions);
  const auto stated = EncoderAccess::stated_limit(encoder);
  if (options.training_length) {
    report_.training_length = options.training_length;
    report_.training_length_source = "asked for";
  } else if (stated) {
    report_.training_length = stated->tokens;
    report_.training_length_source = stated->source;
  }
}

void StateInspection::measure(const EncodeOptions& encode, const std::function<void(std::size_t)>& advance) {
  StateProbe sum(place_);
  // As many texts at a time as there are threads: a probe is some megabytes for a model of many heads.
  const auto together = static_cast<std::size_t>(std::max(1, encoder_.info().threads));
  for (std::size_t begin = 0; begin < texts_.size(); begin += together) {
    const auto texts = std::span<const TokenizedText>(texts_).subspan(begin, std::min(together, texts_.size() - begin));
    std::vector<StateProbe> probes(texts.size(), StateProbe(place_));
    std::vector<AttentionObserver*> observers;
    observers.reserve(probes.size());
    for (StateProbe& probe : probes) observers.push_back(&probe);
    EncoderAccess::observe_states(encoder_, texts, encode, observers);
    for (const StateProbe& probe : probes) sum.add(probe);
    advance(texts.size());
  }
  add_states(std::ssize(report_.findings), place_, sum, report_);
}

}  // namespace treble::internal
