// From a model folder to an encoder.
#pragma once

#include <filesystem>
#include <string>

#include "base/json_file.h"
#include "models/encoder.h"

namespace treble {

/// Reads config.json and the weights. Throws Error{unsupported} for an architecture that is not known, with the list of
/// those that are; Error{invalid_file, not_found} naming file, key or tensor.
Encoder load_encoder(const std::filesystem::path& folder);

/// Only config.json; for errors about the architecture before anything large is read, and for tests.
EncoderConfig read_encoder_config(const JsonObject& json);

/// "bert, camembert, distilbert, mpnet, roberta, xlm-roberta".
std::string supported_model_types();

}  // namespace treble
