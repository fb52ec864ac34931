// A causal recurrent model asked for the next token.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/linear.h"
#include "layers/recurrent_state.h"
#include "treble/sentence_encoder.h"
#include "treble/state_control.h"

namespace treble::internal {

/// Where a reading is: copies go on from there independently.
struct Reading {
  RecurrentState state = {};
  std::vector<float> last = {};  ///< the hidden state of the last token
};

/// May be used from several threads at once, each as a worker of `for_each`. The encoder outlives it.
class LanguageModel {
 public:
  /// Throws Error{unsupported} for a model that has no states or no head.
  explicit LanguageModel(const SentenceEncoder& encoder);

  /// Without special tokens; `what` is the text's name in messages. Throws Error{invalid_argument}.
  std::vector<std::int32_t> tokenize(std::string_view text, std::string_view what) const;
  /// Of a text.
  std::int64_t max_tokens() const;
  std::string decode(std::span<const std::int32_t> ids) const;

  /// body(index, worker) on the model's threads.
  void for_each(std::int64_t count, const std::function<void(std::int64_t index, int worker)>& body) const;
  int threads() const;

  /// Reads more tokens.
  void read(int worker, const StateControl& control, std::span<const std::int32_t> ids, Reading& reading) const;
  /// The most likely tokens, one after the other, each read before the next.
  std::vector<std::int32_t> go_on(int worker, const StateControl& control, std::int64_t count, Reading& reading) const;
  /// Reads more tokens; −ln p of each given all before it, of the very first token of a text nothing: NaN.
  std::vector<double> losses(int worker, const StateControl& control, std::span<const std::int32_t> ids,
                             Reading& reading) const;

 private:
  ConstMatrixView run(int worker, const StateControl& control, std::span<const std::int32_t> ids, bool last_only,
                      Reading& reading) const;

  const SentenceEncoder& encoder_;
  Linear head_;  ///< hidden → vocabulary
};

}  // namespace treble::internal
