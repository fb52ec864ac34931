#include <algorithm>
#include <cmath>

#include "base/fail.h"
#include "base/stop.h"
#include "engine/language_model.h"
#include "treble/passkey.h"
#include "treble/version.h"

namespace treble {

using namespace internal;

namespace {

/// Read between two looks at whether to stop; a multiple of the scan's chunk.
constexpr std::size_t kStepTokens = 2048;

std::vector<std::int32_t> prompt_ids(const LanguageModel& model, const PerplexityOptions& options) {
  const std::string text = options.prompt == RepetitivePrompt::newlines ? "\n" : options.sentence;
  const auto part = model.tokenize(text, "PerplexityOptions::sentence");
  if (part.empty()) {
    fail(ErrorCode::invalid_argument, "the {} prompt has no tokens in this model's vocabulary",
         to_string(options.prompt));
  }
  std::vector<std::int32_t> ids;
  while (std::ssize(ids) < options.tokens) ids.insert(ids.end(), part.begin(), part.end());
  ids.resize(static_cast<std::size_t>(options.tokens));
  return ids;
}

/// Of one control: a loss a token.
std::vector<double> losses_of(const LanguageModel& model, const StateControl& control,
                              std::span<const std::int32_t> ids, const PerplexityOptions& options) {
  Reading reading;
  std::vector<double> losses;
  for (std::size_t begin = 0; begin < ids.size(); begin += kStepTokens) {
    check_stop(options.stop, "perplexity");
    const auto segment = ids.subspan(begin, std::min(kStepTokens, ids.size() - begin));
    std::vector<double> more;
    model.for_each(1, [&](std::int64_t, int worker) { more = model.losses(worker, control, segment, reading); });
    losses.insert(losses.end(), more.begin(), more.end());
  }
  return losses;
}

double perplexity_of(std::span<const double> losses) {
  double sum = 0;
  for (const double loss : losses) sum += loss;
  return std::exp(sum / static_cast<double>(losses.size()));
}

}  // namespace

std::string to_string(RepetitivePrompt prompt) {
  return prompt == RepetitivePrompt::newlines ? "newlines" : "sentence";
}

PerplexityReport perplexity_by_position(const SentenceEncoder& encoder, const PerplexityOptions& options) {
  const LanguageModel model(encoder);
  if (options.tokens < 2 || options.tokens > model.max_tokens()) {
    fail(ErrorCode::invalid_argument, "PerplexityOptions::tokens is {}, it must be between 2 and {}", options.tokens,
         model.max_tokens());
  }
  const auto ids = prompt_ids(model, options);
  std::vector<StateControl> controls = {{}};
  controls.insert(controls.end(), options.controls.begin(), options.controls.end());
  PerplexityReport report{.model = encoder.info().name,
                          .weights_sha256 = encoder.weights_sha256(),
                          .treble_version = std::string(version()),
                          .prompt = to_string(options.prompt),
                          .tokens = options.tokens,
                          .states = {},
                          .ranges = {}};
  for (std::int64_t begin = 1; begin < options.tokens; begin *= 2) {
    report.ranges.push_back({begin, std::min(2 * begin, options.tokens), {}});
  }
  for (const StateControl& control : controls) {
    control.check_fits(encoder.info().num_layers, encoder.info().num_heads);
    const auto losses = losses_of(model, control, ids, options);
    report.states.push_back(control.to_string());
    for (PerplexityRange& range : report.ranges) {
      range.perplexity.push_back(perplexity_of(std::span(losses).subspan(
          static_cast<std::size_t>(range.begin), static_cast<std::size_t>(range.end - range.begin))));
    }
    if (options.progress) {
      options.progress(
          {"perplexity", options.tokens * std::ssize(report.states), options.tokens * std::ssize(controls)});
    }
  }
  return report;
}

}  // namespace treble
