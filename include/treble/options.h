// What a caller may choose, with defaults. Plain structs: copy, change a field, pass on.
#pragma once

#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>

#include "treble/export.h"
#include "treble/progress.h"
#include "treble/state_control.h"
#include "treble/temperature.h"

namespace treble {

/// What to do with a text of more tokens than the limit. Never silent: every result carries both counts.
enum class Truncation {
  end,    ///< drop tokens at the end
  start,  ///< drop tokens at the start
  error,  ///< throw Error{text_too_long} with both counts
};
/// "end", "start", "error".
TREBLE_API std::string to_string(Truncation truncation);

/// How a model reads texts of more tokens than it has positions for, without training (Zhu et al., LongEmbed, arXiv
/// 2404.12096). Takes effect where max_length is raised beyond the positions. Then `interpolate`, `group` and `ntk`
/// change the vectors of short texts too; with the `…_long` forms, texts within the positions keep them, and only
/// longer ones are extended.
enum class PositionExtension {
  none,         ///< it does not; max_length is limited by the positions
  interpolate,  ///< positions squeezed linearly between the trained ones
  group,        ///< g neighbouring tokens share a position
  recur,        ///< positions begin again from 0
  ntk,          ///< rotary models only: the rotary base is raised
  interpolate_long,
  group_long,
  ntk_long,
};
/// "none", "interpolate", …, "interpolate-long", "group-long", "ntk-long".
TREBLE_API std::string to_string(PositionExtension extension);

/// What the GEMMs with a model's weights are computed in. Attention's own GEMMs are in bfloat16 with the two
/// faster types where the CPU multiplies it (AVX512-BF16), else in float32; softmax, norms, residuals, pooling and the
/// vectors are float32.
enum class ComputeType {
  float32,   ///< agrees with transformers' float32 to 1e-5
  bfloat16,  ///< weights and inputs rounded to bfloat16; emulated, without gain, on CPUs that lack it
  int8,      ///< weights and inputs in 8 bits, a scale for each output and each token
  automatic  ///< the fastest on this CPU whose mean cosine to float32 stays at 0.9995 or above; ModelInfo says why
};
/// "float32", "bfloat16", "int8", "auto".
TREBLE_API std::string to_string(ComputeType type);

/// How a model is loaded.
struct ModelOptions {
  /// A folder in the sentence-transformers or Hugging Face layout, or a name ("org/model") in the local Hugging Face
  /// cache (HF_HOME, HF_HUB_CACHE). Nothing is ever downloaded.
  std::string model = {};
  /// A PEFT LoRA adapter to merge into the weights, in float32: its folder, or its name in the same cache. An adapter
  /// in the model's folder is merged without being named.
  std::string adapter = {};
  /// Of a model with an adapter for each task (Jina v3 and v5): the one to merge, or "none" for the weights without.
  std::string task = {};
  /// Threads for tokenising and encoding; 0 means as many as the CPU affinity and cgroup quota of the process allow.
  int threads = 0;
  /// Longest text in tokens, special tokens included. Unset: as sentence-transformers chooses it from the model's files
  /// (ModelInfo::max_length_source). May be raised up to ModelInfo::position_limit, and beyond with an `extension`.
  std::optional<std::int64_t> max_length = {};
  /// For a max_length beyond the positions.
  PositionExtension extension = PositionExtension::none;
  ComputeType dtype = ComputeType::float32;  ///< of the GEMMs with weights
  /// A folder that keeps what ComputeType::int8 makes of the weights, in one file for each model, kind of CPU and
  /// version of Treble (about a byte a parameter, named int8-….safetensors), so that the next start need not calibrate:
  /// it reads and hashes the model's files, and that one. Vectors are the same, bit for bit. Made where it is missing;
  /// may be shared by models and by processes. Empty: nothing is kept.
  std::string cache = {};
  /// True: "[SEP]" in a text is five characters. False (as in Hugging Face): it becomes the special token.
  bool special_tokens_as_text = false;
};

/// How texts are encoded; may differ from call to call on one loaded model.
struct EncodeOptions {
  Temperature temperature = {};  ///< of attention; default: the model as trained
  /// MPNet and T5 add a position bias to the logits; true (as in the paper's code) divides it by the temperature too.
  bool temper_position_bias = true;
  StateControl state = {};  ///< of state-space models (Mamba-2); default: the model as trained
  /// A prompt of the model by name. Unset: the model's default_prompt_name, if any; "" means no prompt.
  std::optional<std::string> prompt_name = {};
  /// A literal prompt put before every text; excludes prompt_name.
  std::optional<std::string> prompt = {};
  /// Unset: as the model says (ModelInfo::truncation), which is the end unless its files have `truncation_side: left`.
  std::optional<Truncation> truncation = {};
  /// Longest text in tokens for this call; must not exceed the model's limit. Unset: the model's limit.
  std::optional<std::int64_t> max_length = {};
  /// Scale vectors to length 1. Unset: as the model's modules.json says.
  std::optional<bool> normalize = {};
  /// Keep only the first `dimensions` (Matryoshka) and, where vectors are normalised, normalise again. Unset: all.
  std::optional<std::int64_t> dimensions = {};
  /// Tokens that one thread carries through the layers at a time; 0 chooses. Does not change vectors beyond 1e-6.
  std::int64_t batch_tokens = 0;
  /// Stage "encoding"; steps are texts, in the order in which they are finished.
  ProgressCallback progress = {};
  /// Heard before each micro-batch; ends the call with Error{interrupted}.
  std::stop_token stop = {};
};

}  // namespace treble
