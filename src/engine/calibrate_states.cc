#include <algorithm>
#include <utility>

#include "base/fail.h"
#include "base/stop.h"
#include "diagnostics/length_buckets.h"
#include "diagnostics/state_probe.h"
#include "engine/encoder_access.h"
#include "treble/calibrate.h"
#include "treble/version.h"

namespace treble {

using namespace internal;

namespace {

using Norms = std::vector<std::vector<double>>;  ///< [layer][head]

/// The largest norm of each head's state in one text.
class LargestNorms : public AttentionObserver {
 public:
  LargestNorms(std::int64_t layers, std::int64_t heads)
      : norms_(static_cast<std::size_t>(layers), std::vector<double>(static_cast<std::size_t>(heads))) {}

  void on_attention(std::int64_t, const PackedBatch&, const AttentionInputs&) override {}
  void on_hidden_states(std::int64_t, const PackedBatch&, ConstMatrixView) override {}
  void on_state(std::int64_t layer, const StateSample& sample) override {
    double& norm = norms_[static_cast<std::size_t>(layer)][static_cast<std::size_t>(sample.head)];
    norm = std::max(norm, frobenius_norm(sample.state));
  }
  bool sees_every_token() const override { return true; }

  const Norms& norms() const noexcept { return norms_; }

 private:
  Norms norms_;
};

/// Reorders `values`, of which there is at least one.
double median(std::vector<double>& values) {
  const auto middle = values.begin() + std::ssize(values) / 2;
  std::nth_element(values.begin(), middle, values.end());
  if (values.size() % 2 == 1) return *middle;
  return (*middle + *std::max_element(values.begin(), middle)) / 2;
}

Norms medians(const std::vector<LargestNorms>& texts) {
  Norms result = texts.front().norms();
  std::vector<double> values;
  for (std::size_t layer = 0; layer < result.size(); ++layer) {
    for (std::size_t head = 0; head < result[layer].size(); ++head) {
      values.clear();
      for (const LargestNorms& text : texts) values.push_back(text.norms()[layer][head]);
      result[layer][head] = median(values);
    }
  }
  return result;
}

std::int64_t training_length(const SentenceEncoder& encoder, const StateNormsOptions& options) {
  const ModelInfo& info = encoder.info();
  const auto stated = EncoderAccess::stated_limit(encoder);
  if (!options.training_length && !stated) {
    fail(ErrorCode::invalid_argument,
         "state norms: how long the texts were that {} was trained on is unknown, its files state no limit; give the "
         "training length (--training-length)",
         info.name);
  }
  const std::int64_t length = options.training_length ? *options.training_length : stated->tokens;
  if (length >= 1 && length <= info.max_length) return length;
  fail(ErrorCode::invalid_argument, "state norms: training length {}, the model reads 1 to {} tokens", length,
       info.max_length);
}

std::vector<std::string_view> choose_texts(const SentenceEncoder& encoder, std::span<const std::string_view> texts,
                                           const StateNormsOptions& options, std::int64_t length) {
  EncodeOptions count_options = options.encode;
  count_options.temperature = {};
  count_options.state = {};
  count_options.truncation.reset();
  count_options.max_length.reset();
  const auto counts = encoder.count_tokens(texts, count_options);
  std::vector<std::int64_t> long_enough;
  std::int64_t longest = 0;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    if (counts[i].tokens >= length) long_enough.push_back(static_cast<std::int64_t>(i));
    longest = std::max<std::int64_t>(longest, counts[i].tokens);
  }
  if (long_enough.empty()) {
    fail(ErrorCode::invalid_argument,
         "state norms: none of the {} texts has the {} tokens of the training length, the longest has {}; give longer "
         "texts",
         texts.size(), length, longest);
  }
  std::vector<std::string_view> chosen;
  for (const std::int64_t index : sample_indices(std::move(long_enough), options.sample, options.seed)) {
    chosen.push_back(texts[static_cast<std::size_t>(index)]);
  }
  return chosen;
}

}  // namespace

StateNorms calibrate_state_norms(const SentenceEncoder& encoder, std::span<const std::string_view> texts,
                                 const StateNormsOptions& options) {
  const ModelInfo& info = encoder.info();
  if (!EncoderAccess::is_recurrent(encoder)) {
    fail(ErrorCode::unsupported, "state norms: {} has no states, only Mamba-2 models have", info.name);
  }
  if (options.sample < 1) {
    fail(ErrorCode::invalid_argument, "state norms: sample must be at least 1 text, got {}", options.sample);
  }
  const std::int64_t length = training_length(encoder, options);
  const auto chosen = choose_texts(encoder, texts, options, length);
  EncodeOptions encode = options.encode;
  encode.temperature = {};
  encode.state = {};
  encode.truncation.reset();
  encode.max_length = length;
  encode.progress = {};
  encode.stop = options.stop;
  const auto tokenized = EncoderAccess::tokenize(encoder, chosen, encode);
  std::vector<LargestNorms> norms(tokenized.size(), LargestNorms(info.num_layers, info.num_heads));
  const auto together = static_cast<std::size_t>(std::max(1, info.threads));
  for (std::size_t begin = 0; begin < tokenized.size(); begin += together) {
    check_stop(options.stop, "calibration");
    const std::size_t end = std::min(tokenized.size(), begin + together);
    std::vector<AttentionObserver*> observers;
    for (std::size_t text = begin; text < end; ++text) observers.push_back(&norms[text]);
    EncoderAccess::observe_states(encoder, std::span(tokenized).subspan(begin, end - begin), encode, observers);
    if (options.progress) {
      options.progress({"measuring states", static_cast<std::int64_t>(end), std::ssize(tokenized)});
    }
  }
  return {.max_norms = medians(norms),
          .model = info.name,
          .weights_sha256 = encoder.weights_sha256(),
          .tokens = length,
          .texts = std::ssize(tokenized),
          .treble_version = version()};
}

}  // namespace treble
