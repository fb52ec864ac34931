// What a model gives, in words.
#pragma once

#include <string>

#include "treble/sentence_encoder.h"

namespace treble::cli {

/// "384-dimensional vectors, sparse vectors of 30,522 dimensions".
std::string outputs_text(const ModelInfo& info);

}  // namespace treble::cli
