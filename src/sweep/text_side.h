// The texts of one side of a task, as tokens.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/tokenized_text.h"
#include "treble/sentence_encoder.h"

namespace treble::internal {

/// Each text is tokenized when it is first read, once for every limit that it is read with.
class TextSide {
 public:
  /// `texts` must outlive this.
  explicit TextSide(const std::vector<std::string>& texts) : texts_(texts) {}

  std::size_t size() const noexcept { return texts_.size(); }
  std::vector<std::string_view> views(std::span<const std::size_t> indices) const;
  /// Those texts as the encoder reads them with these options. `tokenizer` tells encoders apart that read differently.
  std::vector<TokenizedText> read(std::span<const std::size_t> indices, const SentenceEncoder& encoder,
                                  const std::string& tokenizer, const EncodeOptions& options);

 private:
  const std::vector<std::string>& texts_;
  std::map<std::string, std::vector<std::optional<TokenizedText>>> readings_;
};

}  // namespace treble::internal
