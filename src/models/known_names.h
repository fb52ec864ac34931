// What may stand in a checkpoint without being read: one list of config keys and one of tensors, by model type.
// Anything else in config.json is a warning, anything else in the weights an error.
#pragma once

#include <string>
#include <string_view>

namespace treble::internal {

/// Whether a key of config.json changes no hidden state: what transformers writes for training, generation, heads and
/// labels.
bool is_harmless_key(std::string_view model_type, std::string_view key);

/// Whether a tensor belongs to a head, a decoder, a pooler or a buffer that no hidden state depends on. `name` as in
/// the file, `prefix` what stands before the encoder's own names.
bool is_harmless_tensor(std::string_view model_type, std::string_view prefix, std::string_view name);

/// Whether a tensor belongs to a tower for images or sounds, beside the one for text.
bool is_of_another_tower(std::string_view model_type, std::string_view name);

}  // namespace treble::internal
