// Readings of config.json that several families share.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/json_file.h"
#include "models/encoder_config.h"

namespace treble::internal {

/// "model_type", or what a config without one is known by: "mamba2" for its authors' own form. Empty: neither.
std::string model_type_of(const JsonObject& json);

/// The activation named by `key`, `fallback` when absent. Throws Error{unsupported} for one that is not known.
Activation read_activation(const JsonObject& json, const char* key, const char* fallback = "gelu");

/// Throws Error{unsupported} unless `key` is absent or has the value `required`.
void require_value(const JsonObject& json, const char* key, const std::string& required);
void require_flag(const JsonObject& json, const char* key, bool required);

/// The first of `keys` that is there: names that transformers takes for the same size, in order of precedence.
std::int64_t read_size(const JsonObject& json, const std::vector<const char*>& keys, std::int64_t fallback);

/// The sizes that every family has. As a default: what the family's configuration class of transformers says where the
/// key is absent.
struct EncoderSizes {
  std::int64_t vocab_size = 30522;
  std::int64_t hidden_size = 768;
  std::int64_t num_layers = 12;
  std::int64_t num_heads = 12;
  std::int64_t intermediate_size = 3072;
  std::int64_t num_positions = 512;
};

/// The keys of these sizes. Where transformers takes several for one size, the first that is there wins; without a key
/// the default holds.
struct SizeKeys {
  std::vector<const char*> vocab_size = {"vocab_size"};
  std::vector<const char*> hidden_size = {"hidden_size"};
  std::vector<const char*> num_layers = {"num_hidden_layers"};
  std::vector<const char*> num_heads = {"num_attention_heads"};
  std::vector<const char*> intermediate_size = {"intermediate_size"};
  std::vector<const char*> num_positions = {"max_position_embeddings"};
};

/// A config with these sizes and nothing else. Throws Error{invalid_file} for a number of layers outside 1 to 4096,
/// before lists of that length are made.
EncoderConfig read_sizes(const JsonObject& json, const EncoderSizes& defaults, const SizeKeys& keys = {});

/// "num_key_value_heads": `fallback` when it is absent, `num_heads` when it is null.
std::int64_t read_kv_heads(const JsonObject& json, std::int64_t num_heads, std::int64_t fallback);

/// A count or step that something is divided by. Throws Error{invalid_file} below 1.
std::int64_t read_divisor(const JsonObject& json, const char* key, std::int64_t fallback);

struct BertDefaults {
  EncoderSizes sizes = {};
  std::int64_t num_token_types = 2;
  const char* activation = "gelu";
  double norm_eps = 1e-12;
};

/// Sizes, activation and norm eps under BERT's keys, learned positions.
EncoderConfig read_bert_like_config(const JsonObject& json, const BertDefaults& defaults = {});

/// A warning naming the keys of `json` that nothing has asked for, unless they are known to change nothing in a model
/// of this type.
void warn_of_unknown_keys(const JsonObject& json, const std::string& model_type, EncoderConfig& config);

/// Which layers have a local window: "layer_types" ("sliding_attention"), if the config has it.
std::optional<std::vector<bool>> read_layer_types(const JsonObject& json, std::int64_t num_layers);

}  // namespace treble::internal
