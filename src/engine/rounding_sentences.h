// What models are shown when their weights are rounded.
#pragma once

#include <span>
#include <string_view>

namespace treble::internal {

/// Fifteen sentences of many kinds, each of some 30 tokens: documentation, code, an encyclopaedia's, reviews, law,
/// science, news, fiction, a question, other languages. None is in the samples by which `--dtype auto` judges a type
/// (engine/compute_choice.h).
std::span<const std::string_view> rounding_sentences();

}  // namespace treble::internal
