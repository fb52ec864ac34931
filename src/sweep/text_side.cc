#include "sweep/text_side.h"

#include <fmt/format.h>

#include "engine/encoder_access.h"

namespace treble::internal {

namespace {

/// Of options that read texts alike.
std::string reading_of(const std::string& tokenizer, const EncodeOptions& options) {
  const auto text = [](const std::optional<std::string>& given) { return given ? "=" + *given : std::string(); };
  return fmt::format("{}\n{}\n{}\n{}\n{}", tokenizer, options.max_length.value_or(0),
                     options.truncation ? static_cast<int>(*options.truncation) : -1, text(options.prompt_name),
                     text(options.prompt));
}

}  // namespace

std::vector<std::string_view> TextSide::views(std::span<const std::size_t> indices) const {
  std::vector<std::string_view> views;
  views.reserve(indices.size());
  for (const std::size_t index : indices) views.emplace_back(texts_[index]);
  return views;
}

std::vector<TokenizedText> TextSide::read(std::span<const std::size_t> indices, const SentenceEncoder& encoder,
                                          const std::string& tokenizer, const EncodeOptions& options) {
  auto& kept = readings_[reading_of(tokenizer, options)];
  kept.resize(texts_.size());
  std::vector<std::size_t> missing;
  for (const std::size_t index : indices) {
    if (!kept[index]) missing.push_back(index);
  }
  std::vector<TokenizedText> tokenized = EncoderAccess::tokenize(encoder, views(missing), options);
  for (std::size_t i = 0; i < missing.size(); ++i) kept[missing[i]] = std::move(tokenized[i]);
  std::vector<TokenizedText> result;
  result.reserve(indices.size());
  for (const std::size_t index : indices) result.push_back(kept[index].value());
  return result;
}

}  // namespace treble::internal
