// What a loaded model says of itself.
#pragma once

#include <filesystem>
#include <string>

#include "engine/length_limit.h"
#include "engine/model_folder.h"
#include "engine/output_heads.h"
#include "models/encoder.h"
#include "pooling/module_chain.h"
#include "tokenizer/tokenizer.h"
#include "treble/sentence_encoder.h"

namespace treble::internal {

struct LoadedModel {
  const ModelOptions& options;
  const ModelSettings& settings;
  const LengthLimit& limit;
  const LengthPlan& lengths;
  const Encoder& encoder;
  const OutputHeads& heads;
  const ModuleChain* modules;  ///< of the dense output; null: there is none
  const Tokenizer& tokenizer;
  int threads;
};

ModelInfo describe_model(const LoadedModel& model);

/// Of the weight files; with an adapter, of that hash and the adapter's identity.
std::string hash_weights(const ModelParts& parts, const std::vector<std::filesystem::path>& weight_files);

/// Hashes every file that the model depends on but its encoder's weights, whose hash is given. Throws
/// Error{not_found, io} when a file is gone.
ModelFingerprint fingerprint_model(const ModelParts& parts, const std::string& weights_sha256);

}  // namespace treble::internal
