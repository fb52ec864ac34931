#include "treble/calibrate.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <utility>

#include "base/fail.h"
#include "base/stop.h"
#include "diagnostics/attention_statistics.h"
#include "diagnostics/length_buckets.h"
#include "engine/encoder_access.h"
#include "treble/provenance.h"
#include "treble/version.h"

namespace treble {

using namespace internal;

namespace {

constexpr double kMaxScale = 8;
/// Bisection in ln s: the last step is 2 ln 8 / 2^12 = 0.1 %.
constexpr int kBisections = 12;
constexpr std::int64_t kMinTexts = 2;
constexpr std::array<std::int64_t, 4> kUsualLengths = {64, 128, 256, 512};

/// Keeps the logits of one layer, head by head.
class LayerLogits : public AttentionObserver {
 public:
  explicit LayerLogits(std::int64_t layer) : layer_(layer) {}

  void on_attention(std::int64_t layer, const PackedBatch&, const AttentionInputs& inputs) override {
    if (layer != layer_) return;
    heads_.resize(static_cast<std::size_t>(inputs.num_heads));
    for (std::int64_t head = 0; head < inputs.num_heads; ++head) {
      heads_[static_cast<std::size_t>(head)].emplace_back(inputs, 0, head);
    }
  }
  void on_hidden_states(std::int64_t, const PackedBatch&, ConstMatrixView) override {}

  /// [head][text]
  const std::vector<std::vector<HeadLogits>>& heads() const noexcept { return heads_; }

 private:
  std::int64_t layer_;
  std::vector<std::vector<HeadLogits>> heads_;
};

struct Solution {
  double scale = 1;
  double value = 0;
  bool reached = true;
};

/// The s in [1/8, 8] with f(s) = target for an f that rises or falls throughout; the nearest end when there is none.
Solution solve(const std::function<double(double)>& f, double target) {
  double low = -std::log(kMaxScale);
  double high = std::log(kMaxScale);
  const double at_low = f(std::exp(low));
  const double at_high = f(std::exp(high));
  const bool rises = at_high >= at_low;
  if (target <= std::min(at_low, at_high)) return {std::exp(rises ? low : high), std::min(at_low, at_high), false};
  if (target >= std::max(at_low, at_high)) return {std::exp(rises ? high : low), std::max(at_low, at_high), false};
  double value = 0;
  for (int step = 0; step < kBisections; ++step) {
    const double middle = (low + high) / 2;
    value = f(std::exp(middle));
    ((value < target) == rises ? low : high) = middle;
  }
  return {std::exp((low + high) / 2), value, true};
}

class Calibrator {
 public:
  Calibrator(const SentenceEncoder& encoder, std::span<const std::string_view> texts, CalibrateOptions options)
      : encoder_(encoder), options_(std::move(options)), num_layers_(encoder.info().num_layers) {
    if (encoder.info().tempered_layers == 0) {
      fail(ErrorCode::unsupported, "calibrate: {} has no attention layer that a temperature acts on{}",
           encoder.info().name,
           EncoderAccess::is_recurrent(encoder) ? "; norms of its states are made with --state-norms "
                                                  "(calibrate_state_norms)"
                                                : "");
    }
    if (options_.lengths.empty()) {
      for (const std::int64_t length : kUsualLengths) {
        if (length <= encoder.info().max_length) options_.lengths.push_back(length);
      }
    }
    check_lengths();
    choose_texts(texts);
  }

  Calibration run() {
    const auto reference = measure_reference();
    TemperatureProfile& profile = result_.profile;
    profile.lengths = options_.lengths;
    profile.logit_scales.resize(static_cast<std::size_t>(num_layers_));
    for (const std::int64_t length : options_.lengths) calibrate_length(length, reference);
    profile.model = encoder_.info().name;
    profile.weights_sha256 = encoder_.weights_sha256();
    profile.matched = options_.match;
    profile.reference_length = options_.reference_length;
    profile.texts = result_.texts;
    profile.seed = options_.seed;
    profile.treble_version = version();
    profile.provenance = provenance_json(encoder_, {});
    return std::move(result_);
  }

 private:
  void check_lengths() const {
    if (options_.lengths.empty()) {
      fail(ErrorCode::invalid_argument,
           "calibrate: the model reads {} tokens, fewer than the shortest default length {}; give the lengths",
           encoder_.info().max_length, kUsualLengths.front());
    }
    if (options_.sample < kMinTexts) {
      fail(ErrorCode::invalid_argument, "calibrate: sample must be at least {} texts, got {}", kMinTexts,
           options_.sample);
    }
    std::int64_t before = 0;
    for (const std::int64_t length : options_.lengths) {
      if (length <= before) {
        fail(ErrorCode::invalid_argument, "calibrate: lengths must rise from at least 1, got {} after {}", length,
             before);
      }
      before = length;
    }
    const std::int64_t longest = std::max(options_.lengths.back(), options_.reference_length);
    if (longest > encoder_.info().max_length || options_.reference_length < 1) {
      fail(ErrorCode::invalid_argument,
           "calibrate: lengths up to {} and reference length {}, the model reads 1 to {} tokens "
           "(ModelOptions::max_length "
           "may raise that)",
           longest, options_.reference_length, encoder_.info().max_length);
    }
  }

  void choose_texts(std::span<const std::string_view> texts) {
    const std::int64_t longest = std::max(options_.lengths.back(), options_.reference_length);
    EncodeOptions count_options = options_.encode;
    count_options.truncation.reset();
    const auto counts = encoder_.count_tokens(texts, count_options);
    std::vector<std::int64_t> long_enough;
    for (std::size_t i = 0; i < counts.size(); ++i) {
      if (counts[i].tokens >= longest) long_enough.push_back(static_cast<std::int64_t>(i));
    }
    if (static_cast<std::int64_t>(long_enough.size()) < kMinTexts) {
      fail(ErrorCode::invalid_argument,
           "calibrate: {} of {} texts have {} tokens, at least {} must; give longer texts or smaller lengths",
           long_enough.size(), texts.size(), longest, kMinTexts);
    }
    for (const std::int64_t index : sample_indices(std::move(long_enough), options_.sample, options_.seed)) {
      texts_.push_back(texts[static_cast<std::size_t>(index)]);
    }
    result_.texts = static_cast<std::int64_t>(texts_.size());
  }

  /// The logits of a layer on all texts cut at `length`, under a temperature for the layers before it.
  LayerLogits look(std::int64_t layer, std::int64_t length, const Temperature& temperature) const {
    EncodeOptions encode = options_.encode;
    encode.temperature = temperature;
    encode.truncation.reset();
    encode.max_length = length;
    encode.progress = {};
    encode.stop = options_.stop;
    LayerLogits logits(layer);
    EncoderAccess::observe(encoder_, texts_, encode, logits);
    return logits;
  }

  /// The mean over texts, and over heads [first, end).
  double mean_statistic(const LayerLogits& logits, std::size_t first, std::size_t end, double s) const {
    std::vector<double> values((end - first) * texts_.size());
    EncoderAccess::parallel_for(encoder_, static_cast<std::int64_t>(values.size()), [&](std::int64_t index) {
      const auto i = static_cast<std::size_t>(index);
      const HeadLogits& head = logits.heads()[first + i / texts_.size()][i % texts_.size()];
      const auto probabilities = head.probabilities(s);
      values[i] = options_.match == CalibrationTarget::entropy ? normalized_entropy(probabilities, head.length())
                                                               : filter_rate(probabilities, head.length());
    });
    double sum = 0;
    for (const double value : values) sum += value;
    return sum / static_cast<double>(values.size());
  }

  /// The heads that share a scale: each alone, or all of the layer.
  std::vector<std::pair<std::size_t, std::size_t>> groups() const {
    const auto heads = static_cast<std::size_t>(encoder_.info().num_heads);
    if (!options_.per_head) return {{0, heads}};
    std::vector<std::pair<std::size_t, std::size_t>> result;
    result.reserve(heads);
    for (std::size_t head = 0; head < heads; ++head) result.emplace_back(head, head + 1);
    return result;
  }

  /// [layer][group]
  std::vector<std::vector<double>> measure_reference() {
    std::vector<std::vector<double>> reference;
    for (std::int64_t layer = 0; layer < num_layers_; ++layer) {
      const LayerLogits logits = look(layer, options_.reference_length, {});
      auto& row = reference.emplace_back();
      for (const auto& [first, end] : groups()) row.push_back(mean_statistic(logits, first, end, 1.0));
      step();
    }
    return reference;
  }

  void calibrate_length(std::int64_t length, const std::vector<std::vector<double>>& reference) {
    // A profile for this length alone, filled in layer by layer.
    TemperatureProfile so_far;
    so_far.lengths = {length};
    so_far.logit_scales.assign(static_cast<std::size_t>(num_layers_),
                               std::vector<std::vector<double>>(groups().size(), {1.0}));
    for (std::size_t layer = 0; layer < reference.size(); ++layer) {
      const auto index = static_cast<std::int64_t>(layer);
      auto& columns = result_.profile.logit_scales[layer];
      columns.resize(groups().size());
      if (length == options_.reference_length) {
        for (auto& column : columns) column.push_back(1.0);
      } else {
        const LayerLogits logits = look(index, length, Temperature::from_profile(so_far, "calibration"));
        for (std::size_t group = 0; group < columns.size(); ++group) {
          const double scale = find_scale(logits, index, group, reference[layer][group]);
          columns[group].push_back(scale);
          so_far.logit_scales[layer][group] = {scale};
        }
      }
      step();
    }
  }

  double find_scale(const LayerLogits& logits, std::int64_t layer, std::size_t group, double target) {
    const auto [first, end] = groups()[group];
    const Solution solution =
        solve([&, from = first, to = end](double s) { return mean_statistic(logits, from, to, s); }, target);
    if (!solution.reached) {
      result_.unreached.push_back(
          {layer, static_cast<std::int64_t>(group), logits.heads().front().front().length(), target, solution.value});
    }
    return solution.scale;
  }

  void step() {
    const auto total = num_layers_ * (1 + static_cast<std::int64_t>(options_.lengths.size()));
    check_stop(options_.stop, "calibration");
    if (options_.progress) options_.progress({"calibrating", ++done_, total});
  }

  const SentenceEncoder& encoder_;
  CalibrateOptions options_;
  std::int64_t num_layers_;
  std::vector<std::string_view> texts_;
  Calibration result_;
  std::int64_t done_ = 0;
};

}  // namespace

Calibration calibrate(const SentenceEncoder& encoder, std::span<const std::string_view> texts,
                      const CalibrateOptions& options) {
  return Calibrator(encoder, texts, options).run();
}

}  // namespace treble
