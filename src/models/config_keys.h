// Readings of config.json that several families share.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <vector>

#include "base/json_file.h"
#include "models/encoder_config.h"

namespace treble::internal {

/// The activation named by `key`, `fallback` when absent. Throws Error{unsupported} for one that is not known.
Activation read_activation(const JsonObject& json, const char* key, const char* fallback = "gelu");

/// Throws Error{unsupported} unless `key` is absent or has the value `required`.
void require_value(const JsonObject& json, const char* key, const std::string& required);
void require_flag(const JsonObject& json, const char* key, bool required);

/// The first of `keys` that is there: the names that transformers takes for the same size, the one that wins first.
std::int64_t read_size(const JsonObject& json, std::initializer_list<const char*> keys, std::int64_t fallback);

/// The number of layers, checked before lists of that length are made: 1 to 4096.
std::int64_t read_num_layers(const JsonObject& json, std::int64_t fallback);

/// "num_key_value_heads": `fallback` when it is absent, `num_heads` when it is null.
std::int64_t read_kv_heads(const JsonObject& json, std::int64_t num_heads, std::int64_t fallback);

/// A count or step that something is divided by. Throws Error{invalid_file} below 1.
std::int64_t read_divisor(const JsonObject& json, const char* key, std::int64_t fallback);

/// What a family's configuration class of transformers says where a key is absent.
struct BertDefaults {
  std::int64_t vocab_size = 30522;
  std::int64_t hidden_size = 768;
  std::int64_t num_layers = 12;
  std::int64_t num_heads = 12;
  std::int64_t intermediate_size = 3072;
  std::int64_t num_positions = 512;
  std::int64_t num_token_types = 2;
  const char* activation = "gelu";
  double norm_eps = 1e-12;
};

/// Sizes, activation and norm eps under BERT's keys, learned positions.
EncoderConfig read_bert_like_config(const JsonObject& json, const BertDefaults& defaults = {});

/// Which layers have a local window: "layer_types" ("sliding_attention"), if the config has it.
std::optional<std::vector<bool>> read_layer_types(const JsonObject& json, std::int64_t num_layers);

}  // namespace treble::internal
