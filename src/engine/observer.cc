#include "treble/observer.h"

#include "base/fail_about.h"
#include "diagnostics/attention_statistics.h"
#include "engine/encoder_access.h"

namespace treble {

namespace internal {

/// Of a batch of one text.
struct AttentionSource {
  const AttentionInputs& inputs;

  std::int64_t num_tokens() const noexcept { return inputs.offsets.back(); }
  /// [num_tokens]
  std::span<const float> scales(std::int64_t head) const noexcept {
    const auto tokens = static_cast<std::size_t>(num_tokens());
    return inputs.logit_scales.subspan(static_cast<std::size_t>(head) * tokens, tokens);
  }
};

namespace {

void check_index(const char* what, std::int64_t index, std::int64_t count) {
  if (index >= 0 && index < count) return;
  fail(ErrorCode::invalid_argument, "there is no {} {}: there are {}", what, index, count);
}

/// Passes on what the engine shows of one text.
class Adapter : public AttentionObserver {
 public:
  Adapter(std::int64_t text, Observer& observer) : text_(text), observer_(observer) {}

  void on_attention(std::int64_t layer, const PackedBatch&, const AttentionInputs& inputs) override {
    const AttentionSource source{inputs};
    observer_.on_attention(text_, layer, AttentionView(source));
  }

  void on_hidden_states(std::int64_t layer, const PackedBatch&, ConstMatrixView hidden) override {
    observer_.on_hidden_states(text_, layer, {hidden.data, hidden.rows, hidden.cols, hidden.stride});
  }

 private:
  std::int64_t text_;
  Observer& observer_;
};

}  // namespace

}  // namespace internal

using namespace internal;

std::int64_t AttentionView::num_tokens_of(const AttentionSource& source) noexcept { return source.num_tokens(); }
std::int64_t AttentionView::num_heads_of(const AttentionSource& source) noexcept { return source.inputs.num_heads; }

std::vector<float> AttentionView::probabilities(std::int64_t head) const {
  check_index("head", head, num_heads());
  return HeadLogits(source_->inputs, 0, head).probabilities(source_->scales(head));
}

double AttentionView::logit_scale(std::int64_t head, std::int64_t token) const {
  check_index("head", head, num_heads());
  check_index("token", token, num_tokens());
  return double{source_->scales(head)[static_cast<std::size_t>(token)]};
}

Observer::~Observer() = default;

void Observer::on_attention(std::int64_t /*text*/, std::int64_t /*layer*/, const AttentionView& /*attention*/) {}

void Observer::on_hidden_states(std::int64_t /*text*/, std::int64_t /*layer*/, const HiddenStatesView& /*states*/) {}

void observe(const SentenceEncoder& encoder, std::span<const std::string_view> texts, const EncodeOptions& options,
             Observer& observer) {
  encoder.validate(options);
  for (std::size_t index = 0; index < texts.size(); ++index) {
    const auto text = static_cast<std::int64_t>(index);
    Adapter adapter(text, observer);
    try {
      EncoderAccess::observe(encoder, texts.subspan(index, 1), options, adapter);
    } catch (const Error& error) {
      throw with_text_index(error, text);
    }
  }
}

}  // namespace treble
