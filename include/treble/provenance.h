// What vectors are made of, for whoever keeps them.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "treble/export.h"
#include "treble/options.h"
#include "treble/output_options.h"
#include "treble/post_transform.h"
#include "treble/precision.h"
#include "treble/sentence_encoder.h"

namespace treble {

/// One JSON object that says everything that vectors of this model under these options depend on, by content: the
/// hashes of the model's files, the temperature (a profile by its numbers, not its name), the prompt in full, limits,
/// types, the version of the numerics; and beside it what people call these things. docs/outputs.md lists the fields.
/// Hashes the model's files at the first call. Throws what SentenceEncoder::encode throws for such options, and
/// Error{not_found, io} when a file of the model is gone.
TREBLE_API std::string provenance_json(const SentenceEncoder& encoder, const EncodeOptions& options);

/// The same of an output of this kind. Of what is not dense: "output" names the kind, "dim" is the size of the
/// vocabulary, and what is about dense vectors alone is left out.
TREBLE_API std::string provenance_json(const SentenceEncoder& encoder, OutputKind kind, const OutputOptions& options);

/// The part of such an object that vectors depend on: all but names, places, times and what follows from the rest (and
/// the instruction set, where it does not matter). Equal identities give equal vectors for equal texts, so this is what
/// to compare before rows of two runs are put into one output. Throws Error{invalid_argument} when `provenance` is no
/// JSON object.
TREBLE_API std::string vector_identity_json(std::string_view provenance);

/// For PostFitter::fit on vectors of this encoder under these options. Throws as provenance_json does.
TREBLE_API PostProvenance post_provenance(const SentenceEncoder& encoder, const EncodeOptions& options);

/// Whether `post` belongs after vectors of this encoder under these options; `path` is its file, for messages. Throws
/// Error{invalid_argument} when it was fitted on vectors of another model, temperature, pooling or dimension, naming
/// both; Error{invalid_file} when it does not say which model files it was fitted with; and as provenance_json does.
TREBLE_API void check_post(const PostTransform& post, const std::filesystem::path& path, const SentenceEncoder& encoder,
                           const EncodeOptions& options);

/// Whether `ranges` are of vectors like these, whose provenance_json or BulkJob::describe `vectors` is: of the same
/// model files, temperature, state, pooling, dimensions, normalisation and fitted step. Prompts, lengths and what
/// things are computed in may differ: queries share the ranges of documents. Ranges that do not say what they are of
/// are taken as they are. Throws Error{invalid_argument} naming what differs, and both; Error{invalid_file} when what
/// they say is not JSON.
TREBLE_API void check_ranges(const VectorRanges& ranges, std::string_view vectors);

}  // namespace treble
