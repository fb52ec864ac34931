// From a model folder to an encoder.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "base/json_file.h"
#include "models/adapter_merge.h"
#include "models/encoder.h"
#include "models/head_config.h"
#include "models/prepared_layers.h"
#include "models/weight_loader.h"

namespace treble::internal {

/// Reads config.json. Throws Error{unsupported} for an architecture that is not known, with the list of those that are;
/// Error{invalid_file, not_found} naming file and key.
EncoderConfig read_encoder_config(const std::filesystem::path& folder);
EncoderConfig read_encoder_config(const JsonObject& json);

/// Of a model for sequence classification. Throws Error{unsupported} for a family whose head is not known.
HeadConfig read_head_config(const JsonObject& json);

/// Of a model for masked language modelling; nothing for a family whose head is not known.
std::optional<MaskedLmHeadConfig> find_masked_lm_head_config(const JsonObject& json);
/// The same, where that is Error{unsupported}.
MaskedLmHeadConfig read_masked_lm_head_config(const JsonObject& json);
/// The same of a model that predicts tokens.
HeadConfig read_language_head_config(const JsonObject& json);

struct LoadOptions {
  ComputeType type = ComputeType::float32;  ///< not `automatic`
  /// Packs layers in parallel; may be null.
  ThreadPool* pool = nullptr;
  /// Of int8: layers register with it, for a calibration pass after loading (kernels/int8_calibration.h). May be null.
  Int8Calibration* calibration = nullptr;
  /// Of int8: layers that are taken from here, and neither read from the weights nor calibrated. May be null.
  const PreparedLayers* prepared = nullptr;
  /// Merged into the weights.
  AdapterSource adapter = {};
};

/// Reads the weights. Throws Error{invalid_file, not_found} naming file and tensor, Error{invalid_argument} for lengths
/// that the model has no positions for.
Encoder load_encoder(const std::filesystem::path& folder, const LengthPlan& lengths, const LoadOptions& options = {});

/// What a checkpoint is made of, for whoever looks at its tensors without running it.
struct ModelLayout {
  EncoderConfig config;
  FoundNames found;
};
/// A checkpoint whose tensors read as they are with the adapter.
struct OpenedModel {
  TensorArchive archive;
  ModelLayout layout;
};
/// Same errors as load_encoder.
OpenedModel open_model(const std::filesystem::path& folder, const AdapterSource& adapter = {});

/// "albert, bert, camembert, …".
std::string supported_model_types();

}  // namespace treble::internal
