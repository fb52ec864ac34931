// What vectors are made of, for whoever keeps them.
#pragma once

#include <string>

#include "treble/export.h"
#include "treble/options.h"
#include "treble/sentence_encoder.h"

namespace treble {

/// One JSON object that says everything that vectors of this model under these options depend on, by content: the
/// hashes of the model's files, the temperature (a profile by its numbers, not its name), the prompt in full, limits,
/// types, the version of the numerics; and beside it what people call these things. docs/outputs.md lists the fields.
/// Hashes the model's files at the first call. Throws what SentenceEncoder::encode throws for such options, and
/// Error{not_found, io} when a file of the model is gone.
TREBLE_API std::string provenance_json(const SentenceEncoder& encoder, const EncodeOptions& options);

}  // namespace treble
