#include "engine/language_model.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/fail.h"
#include "engine/encoder_access.h"
#include "engine/sentence_encoder_impl.h"

namespace treble::internal {

namespace {

/// Tokens whose logits are in memory at a time.
constexpr std::int64_t kLossTokens = 64;

Linear head_of(const SentenceEncoder& encoder) {
  const Encoder& model = EncoderAccess::encoder(encoder);
  const std::string& name = encoder.info().name;
  if (!model.is_recurrent()) {
    fail(ErrorCode::unsupported, "{} predicts no next token from a state; this is for Mamba-2 models", name);
  }
  const ConstMatrixView weights = model.output_embeddings();
  if (weights.rows == 0) {
    fail(ErrorCode::unsupported,
         "{} has no language-model head: config.json says that it is not tied to the embeddings (tie_word_embeddings), "
         "and the weights hold no lm_head.weight",
         name);
  }
  return {weights, {}, {}};
}

/// −ln softmax(logits)[token].
double loss_of(std::span<const float> logits, std::int32_t token) {
  const double largest = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float logit : logits) sum += std::exp(logit - largest);
  return std::log(sum) + largest - logits[static_cast<std::size_t>(token)];
}

}  // namespace

LanguageModel::LanguageModel(const SentenceEncoder& encoder) : encoder_(encoder), head_(head_of(encoder)) {}

std::vector<std::int32_t> LanguageModel::tokenize(std::string_view text, std::string_view what) const {
  TokenizationOptions options;
  options.add_special_tokens = false;
  options.prompt = "";
  try {
    const auto tokens = EncoderAccess::tokenize_whole(encoder_, {&text, 1}, options);
    std::vector<std::int32_t> ids;
    ids.reserve(tokens.front().size());
    for (const Token& token : tokens.front()) ids.push_back(token.id);
    return ids;
  } catch (const Error& error) {
    throw Error(error.code(), fmt::format("{}: {}", what, error.what()));
  }
}

std::int64_t LanguageModel::max_tokens() const { return EncoderAccess::encoder(encoder_).config().practical_limit(); }

std::string LanguageModel::decode(std::span<const std::int32_t> ids) const {
  return EncoderAccess::decode(encoder_, ids, true);
}

void LanguageModel::for_each(std::int64_t count, const std::function<void(std::int64_t, int)>& body) const {
  EncoderAccess::implementation(encoder_).pool.parallel_for(count, body);
}

int LanguageModel::threads() const { return EncoderAccess::implementation(encoder_).pool.size(); }

/// The hidden states of the tokens, or of the last alone.
ConstMatrixView LanguageModel::run(int worker, const StateControl& control, std::span<const std::int32_t> ids,
                                   bool last_only, Reading& reading) const {
  auto& model = EncoderAccess::implementation(encoder_);
  EncodeWorker& own = model.workers[static_cast<std::size_t>(worker)];
  const auto tokens = std::ssize(ids);
  const PackedBatch batch{
      .ids = {ids.begin(), ids.end()}, .offsets = {0, tokens}, .text_index = {0}, .prompt_tokens = {0}};
  std::vector<std::int64_t> kept;
  if (last_only) kept.push_back(tokens - 1);
  const ConstMatrixView hidden = model.encoder.run({.execution = Execution(own.kernels),
                                                    .workspace = own.layers,
                                                    .state_controls = {&control, 1},
                                                    .carried = &reading.state,
                                                    .kept_tokens = kept},
                                                   batch);
  const auto last = hidden.row_span(hidden.rows - 1);
  reading.last.assign(last.begin(), last.end());
  return hidden;
}

void LanguageModel::read(int worker, const StateControl& control, std::span<const std::int32_t> ids,
                         Reading& reading) const {
  for (std::size_t begin = 0; begin < ids.size(); begin += kSegmentTokens) {
    run(worker, control, ids.subspan(begin, std::min<std::size_t>(kSegmentTokens, ids.size() - begin)), true, reading);
  }
}

std::vector<std::int32_t> LanguageModel::go_on(int worker, const StateControl& control, std::int64_t count,
                                               Reading& reading) const {
  std::vector<std::int32_t> ids;
  std::vector<float> logits(static_cast<std::size_t>(head_.out_features()));
  Workspace kernels;
  while (std::ssize(ids) < count) {
    head_.run(Execution(kernels), ConstMatrixView(reading.last.data(), 1, head_.in_features()),
              MatrixView(logits.data(), 1, head_.out_features()));
    const auto best = std::max_element(logits.begin(), logits.end());
    if (!std::all_of(logits.begin(), logits.end(), [](float logit) { return std::isfinite(logit); })) {
      fail(ErrorCode::non_finite, "after {} tokens the model's scores of the next one hold NaN or infinity (state {})",
           reading.state.tokens, control.to_string());
    }
    ids.push_back(static_cast<std::int32_t>(best - logits.begin()));
    run(worker, control, {&ids.back(), 1}, true, reading);
  }
  return ids;
}

std::vector<double> LanguageModel::losses(int worker, const StateControl& control, std::span<const std::int32_t> ids,
                                          Reading& reading) const {
  std::vector<double> losses;
  std::vector<float> logits(static_cast<std::size_t>(kLossTokens * head_.out_features()));
  std::vector<float> before = reading.last;
  Workspace kernels;
  for (std::size_t begin = 0; begin < ids.size(); begin += kSegmentTokens) {
    const auto segment = ids.subspan(begin, std::min<std::size_t>(kSegmentTokens, ids.size() - begin));
    const ConstMatrixView hidden = run(worker, control, segment, false, reading);
    // The hidden state of a token predicts the next: of the first one here, that before the segment.
    std::vector<float> shifted = before;
    if (shifted.empty()) shifted.resize(static_cast<std::size_t>(hidden.cols));
    for (std::int64_t row = 0; row < hidden.rows; ++row)
      shifted.insert(shifted.end(), hidden.row(row), hidden.row(row) + hidden.cols);
    for (std::int64_t first = 0; first < std::ssize(segment); first += kLossTokens) {
      const std::int64_t count = std::min(kLossTokens, std::ssize(segment) - first);
      const MatrixView rows(logits.data(), count, head_.out_features());
      head_.run(Execution(kernels), ConstMatrixView(shifted.data() + first * hidden.cols, count, hidden.cols), rows);
      for (std::int64_t row = 0; row < count; ++row) {
        losses.push_back(loss_of(rows.row_span(row), segment[static_cast<std::size_t>(first + row)]));
      }
    }
    if (before.empty() && begin == 0) losses.front() = std::numeric_limits<double>::quiet_NaN();
    before = reading.last;
  }
  return losses;
}

}  // namespace treble::internal
