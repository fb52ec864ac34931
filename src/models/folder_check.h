// What a model's folder must and must not hold, looked at before anything in it is read.
#pragma once

#include "models/model_parts.h"
#include "safetensors/safetensors.h"

namespace treble::internal {

/// Names what is wrong with a folder as a whole, and the way out, where the first file that could not be read would
/// only say so of itself:
///   Error{not_found}    no config.json, no weights but in another format, no tokenizer that can be read but what it
///   can be made of;
///                       and whether a download of the Hugging Face cache was not finished
///   Error{unsupported}  a quantisation that config.json states
void check_model_folder(const ModelParts& parts);

/// Throws Error{unsupported} naming the quantisation when tensors are those of quantised weights (GPTQ, AWQ,
/// bitsandbytes, MLX, compressed-tensors): without config.json's word for it they would only have odd shapes and types.
void refuse_quantized(const TensorArchive& archive);

}  // namespace treble::internal
