// The tokens that have a part to play, by the names that transformers knows them by.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

#include "tokenizer/tokenizer.h"

namespace treble::internal {

/// The id of the token that tokenizer_config.json, or else special_tokens_map.json, of the folder names under `key`
/// ("mask_token", "cls_token", …). Nothing where neither does, or where the vocabulary has no such token.
std::optional<std::int32_t> special_token_id(const std::filesystem::path& folder, const Tokenizer& tokenizer,
                                             const char* key);

}  // namespace treble::internal
