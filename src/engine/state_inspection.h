// The states of sampled texts in an inspection.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "diagnostics/state_probe.h"
#include "engine/text_sample.h"
#include "tokenizer/tokenized_text.h"
#include "treble/collapse_report.h"

namespace treble::internal {

class StateInspection {
 public:
  /// The longest of `texts`, at most options.probe_texts, in `layers`; all outlive this. `encode` says how they are
  /// read. A model with states alone.
  StateInspection(const SentenceEncoder& encoder, const InspectOptions& options, const EncodeOptions& encode,
                  const std::vector<SampledText>& texts, const std::vector<std::int64_t>& layers);

  /// Texts of each setting.
  std::int64_t steps() const noexcept { return std::ssize(texts_); }

  /// The next setting; the first is the untouched model. `advance` hears of texts that are finished.
  void measure(const EncodeOptions& encode, const std::function<void(std::size_t)>& advance);

  StateReport take() { return std::move(report_); }

 private:
  const SentenceEncoder& encoder_;
  std::vector<TokenizedText> texts_;
  StateProbePlace place_;
  StateReport report_;
};

}  // namespace treble::internal
