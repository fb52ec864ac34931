// Readings of config.json that several families share.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/json_file.h"
#include "models/encoder_config.h"

namespace treble {

/// The activation named by `key`, `fallback` when absent. Throws Error{unsupported} for one that is not known.
Activation read_activation(const JsonObject& json, const char* key, const char* fallback = "gelu");

/// Throws Error{unsupported} unless `key` is absent or has the value `wanted`.
void require_value(const JsonObject& json, const char* key, const std::string& wanted);
void require_flag(const JsonObject& json, const char* key, bool wanted);

/// The number of layers, checked before lists of that length are made: 1 to 4096.
std::int64_t read_num_layers(const JsonObject& json, const char* key);

/// Sizes, activation and norm eps under BERT's keys, learned positions.
EncoderConfig read_bert_like_config(const JsonObject& json);

/// The rotary base and scaling of layers of one kind: from "rope_parameters" (also by layer type, as transformers 5
/// writes it), "rope_theta" and "rope_scaling". Throws Error{unsupported} for a scaling that is not known.
RotaryConfig read_rotary(const JsonObject& json, double default_base, const char* layer_type);

/// Which layers have a local window: "layer_types" ("sliding_attention"), if the config has it.
std::optional<std::vector<bool>> read_layer_types(const JsonObject& json, std::int64_t num_layers);

}  // namespace treble
