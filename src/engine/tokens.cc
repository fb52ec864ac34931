#include "treble/tokens.h"

#include <utility>

#include "engine/encoder_access.h"

namespace treble {

std::vector<std::vector<std::int32_t>> token_ids(const SentenceEncoder& encoder,
                                                 std::span<const std::string_view> texts,
                                                 const EncodeOptions& options) {
  const internal::CallPlan plan = internal::EncoderAccess::plan(encoder, options);
  std::vector<std::vector<std::int32_t>> ids(texts.size());
  internal::EncoderAccess::parallel_for(encoder, static_cast<std::int64_t>(texts.size()), [&](std::int64_t index) {
    const auto i = static_cast<std::size_t>(index);
    ids[i] = internal::EncoderAccess::tokenize(encoder, plan, texts[i], index).ids;
  });
  return ids;
}

}  // namespace treble
