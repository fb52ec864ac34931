// A temperature written into a checkpoint's weights, so that every other runtime serves the tempered model at no cost.
// docs/bake.md has the formulas and says what cannot be baked.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "treble/export.h"
#include "treble/progress.h"
#include "treble/temperature.h"

namespace treble {

enum class BakedDType {
  keep,     ///< every tensor stays in the type it has; scaled weights are rounded to it
  float32,  ///< F16, BF16 and F64 tensors become F32
};

/// How a model is baked.
struct BakeOptions {
  /// T5 and MPNet: divide the relative position bias by the temperature too, as EncodeOptions does by default. Models
  /// with ALiBi have no weights for that and can only be baked with false.
  bool temper_position_bias = true;
  BakedDType dtype = BakedDType::keep;  ///< of the weights that are written
  /// As ModelOptions::adapter: merged into the weights before the temperature. One in the model's folder is merged too.
  std::string adapter = {};
  /// As ModelOptions::task, of a model with adapters/TASK.
  std::string task = {};
  /// Replace an output folder that holds a model; in one step, so that there is always one of the two.
  bool force = false;
  /// Stage "writing"; steps are files, total unknown.
  ProgressCallback progress = {};
  /// Heard before each file is written; ends the call with Error{interrupted}, and nothing is left behind.
  std::stop_token stop = {};
};

/// What was done.
struct BakeReport {
  std::vector<std::string> changed;   ///< names of the tensors: of the temperature by layers, then of the adapter
  std::string adapter;                ///< the folder of the adapter that was merged; empty: none
  std::vector<std::string> left_out;  ///< files of the model that hold the untempered weights in another format
  /// True when no changed weight had to be rounded: every scale is a power of two, and no adapter was merged into
  /// weights of 16 bits.
  bool exact = false;
  /// The maximum relative error of a rounded weight: up to 6e-8 in F32, 5e-4 in F16, 4e-3 in BF16.
  double max_rounding_error = 0;
};

/// Writes to `output` the model folder `model` (a path, or a name in the local Hugging Face cache) with its adapter, if
/// there is one, and `temperature` in its weights: encoding with it at temperature 1 equals encoding with `model` at
/// `temperature`. All other files are carried over byte for byte; treble.json says what was done. The folder appears
/// under its name complete or not at all. Throws Error{invalid_argument} for a temperature that depends on the length
/// of texts, or is 1 where there is no adapter to merge, for one that the model's weights cannot express (the message
/// says why and what can be done), and for an output that exists; Error{not_found, invalid_file, unsupported} about the
/// model, Error{io, interrupted}.
TREBLE_API BakeReport bake(const std::string& model, const std::filesystem::path& output,
                           const Temperature& temperature, const BakeOptions& options = {});

/// What the treble.json of a baked folder says.
struct BakedTemperature {
  std::string temperature;            ///< in its written form: "0.8"
  bool temper_position_bias = true;   ///< as BakeOptions had it
  std::string source_name;            ///< the model that it was made from
  std::string source_weights_sha256;  ///< as SentenceEncoder::weights_sha256 of that model
  std::string treble_version;         ///< that baked it
  bool exact = false;                 ///< as in BakeReport
  double max_rounding_error = 0;      ///< as in BakeReport
  /// Bakes before this one, oldest first: the model's logit scale is the product of all.
  std::vector<BakedTemperature> earlier;
};

/// Nothing when the folder was not baked. Throws Error{invalid_file} when its treble.json is damaged.
TREBLE_API std::optional<BakedTemperature> read_baked(const std::filesystem::path& folder);

/// For people, oldest first: "0.8", "0.8, position bias untouched", "0.8, then 0.9".
TREBLE_API std::string to_string(const BakedTemperature& baked);

}  // namespace treble
