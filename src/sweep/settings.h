// The settings of a sweep.
#pragma once

#include "treble/sweep.h"

namespace treble::internal {

/// Whether a form of the model reads further than the model itself, by an extension of its own.
bool extends(const ModelInfo& form, const ModelInfo& model);

/// Whether the model is judged by MaxSim, as one that gives a vector for each token and none for a text.
bool ranks_by_tokens(const ModelInfo& model);

/// Those that a setting encodes with, out of those of the sweep. `extended`: whether its form extends the model.
EncodeOptions encode_options(const SweepSetting& setting, bool extended, EncodeOptions options);

}  // namespace treble::internal
