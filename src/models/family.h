// A family of encoders: how its config.json reads and where its tensors are. A family file fills this in and computes
// nothing.
#pragma once

#include <string>
#include <vector>

#include "base/json_file.h"
#include "models/encoder_config.h"
#include "models/weight_names.h"

namespace treble {

struct Family {
  std::vector<std::string> model_types;  ///< of config.json
  EncoderConfig (*read_config)(const JsonObject& json);
  WeightNames names;
};

Family bert_family();
Family roberta_family();
Family distilbert_family();
Family mpnet_family();

/// What BERT-like configs share: sizes, activation, norm eps. Throws Error{invalid_file, unsupported}.
EncoderConfig read_bert_like_config(const JsonObject& json);

/// The activation named by `key`, "gelu" when absent. Throws Error{unsupported} for one that is not known.
Activation read_activation(const JsonObject& json, const char* key);

}  // namespace treble
