// The settings of a sweep.
#pragma once

#include "treble/sweep.h"

namespace treble::internal {

/// Whether a form of the model reads further than the model itself, by an extension of its own.
bool extends(const ModelInfo& form, const ModelInfo& model);

/// By which of its outputs the model is judged: dense vectors where it has them, else its only output.
OutputKind ranked_output(const ModelInfo& model);

/// Whether it reads queries for its sparse output by a table of weights, without its layers.
bool reads_queries_by_table(const SentenceEncoder& encoder);

/// Those that a setting encodes with, out of those of the sweep. `extended`: whether its form extends the model.
EncodeOptions encode_options(const SweepSetting& setting, bool extended, EncodeOptions options);

}  // namespace treble::internal
