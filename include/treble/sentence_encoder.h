// Texts in, vectors out.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "treble/export.h"
#include "treble/options.h"
#include "treble/output_options.h"
#include "treble/pooling_mode.h"
#include "treble/similarity.h"

namespace treble {

namespace internal {
struct EncoderAccess;
}  // namespace internal

/// How many tokens a text had and how many the model read, special tokens and prompt included.
struct TokenCount {
  std::int64_t tokens = 0;  ///< that the text has
  std::int64_t used = 0;    ///< that the model read
};

/// The vectors of a call, in the order of the texts.
struct Embeddings {
  std::int64_t count = 0;                ///< of texts
  std::int64_t dim = 0;                  ///< of each vector
  std::vector<float> values;             ///< [count, dim], row-major
  std::vector<TokenCount> token_counts;  ///< [count]

  /// The vector of text `index`. Throws Error{invalid_argument} unless 0 ≤ index < count.
  TREBLE_API std::span<const float> row(std::int64_t index) const;
};

/// Of each vector of `a` to each of `b`: [a.count, b.count], row-major; greater is more alike. Throws
/// Error{invalid_argument} naming both when the dimensions differ.
TREBLE_API std::vector<float> similarity(const Embeddings& a, const Embeddings& b,
                                         Similarity kind = Similarity::cosine);

/// The element type of a checkpoint's weights.
enum class WeightsDType { float16, bfloat16, float32, float64 };
/// As in safetensors: "F16", "BF16", "F32", "F64".
TREBLE_API std::string to_string(WeightsDType dtype);

/// What a loaded model is; everything `treble info` shows.
struct ModelInfo {
  std::string name;            ///< last part of the folder's path, or the "org/model" that was asked for
  std::filesystem::path path;  ///< the folder the files were read from
  std::string model_type;      ///< as in config.json: "bert", "mpnet", …
  std::string architecture;    ///< as in config.json: "BertModel", …
  WeightsDType weights_dtype = WeightsDType::float32;  ///< as stored
  ComputeType compute_dtype = ComputeType::float32;    ///< of the GEMMs with weights; never `automatic`
  std::string dtype_reason;            ///< why `automatic` chose it, or what this CPU makes of it; may be empty
  std::string prepared_from;           ///< the file of ModelOptions::cache that int8 layers were read from; empty: none
  std::string cpu_isa;                 ///< the instruction set that products run on, e.g. "AVX2"
  std::vector<OutputKind> outputs;     ///< that the model has; at least one
  std::vector<PoolingMode> pooling;    ///< of dense vectors; several are laid side by side in this order
  bool normalizes = false;             ///< modules.json ends in a Normalize module
  std::int64_t dim = 0;                ///< of the final dense vectors; 0 without such an output
  std::int64_t token_dim = 0;          ///< of the vectors of a multi-vector output; 0 without one
  bool mean_max_sim = false;           ///< MaxSim of those is divided by the query's vectors (MaxSimOptions::mean)
  std::int64_t hidden_size = 0;        ///< of the encoder
  std::int64_t num_layers = 0;         ///< of the encoder
  std::int64_t num_heads = 0;          ///< query heads of a layer, or heads of its state
  std::int64_t vocab_size = 0;         ///< tokens of the vocabulary
  std::int64_t num_parameters = 0;     ///< of the encoder
  std::int64_t num_experts = 0;        ///< of a layer with a mixture of experts; 0 without such layers
  std::int64_t active_experts = 0;     ///< that a token goes through in such a layer
  std::int64_t active_parameters = 0;  ///< num_parameters without the experts that a token does not go through
  std::int64_t max_length = 0;         ///< in force, in tokens
  std::string max_length_source;       ///< how it was chosen: "max_seq_length of sentence_bert_config.json", …
  std::int64_t position_limit = 0;     ///< the maximum for max_length without an extension
  PositionExtension extension = PositionExtension::none;  ///< as ModelOptions asked
  std::int64_t tempered_layers = 0;                       ///< attention modules that a temperature acts on
  std::int64_t state_layers = 0;     ///< that EncodeOptions::state acts on: all of a Mamba-2 model, else none
  std::int64_t state_head_dim = 0;   ///< rows of the state of each head; 0 without states
  std::int64_t state_size = 0;       ///< its columns, N; 0 without states
  std::string baked_temperature;     ///< what treble.json says is in the weights already: "0.8"; empty: nothing
  std::string adapter;               ///< the folder of the adapter that is merged, or "in the weights"; empty: none
  std::string task;                  ///< whose adapter that is; "none" or empty: no task's
  std::vector<std::string> modules;  ///< modules.json in order, with their settings
  std::map<std::string, std::string> prompts;                 ///< by name
  std::string default_prompt_name;                            ///< empty: none
  Similarity similarity = Similarity::cosine;                 ///< the model's own
  std::vector<std::pair<std::string, std::string>> switches;  ///< the family's choices: activation, positions, …
  bool special_tokens_as_text = false;                        ///< as ModelOptions asked
  /// What is dropped of longer texts where EncodeOptions do not say: end or start.
  Truncation truncation = Truncation::end;
  int threads = 0;  ///< that the model works on
  /// What of the folder was not used, or read otherwise than somebody might think, a sentence each; empty for most
  /// models.
  std::vector<std::string> warnings;
};

/// Which files a model was read from, by content.
struct ModelFingerprint {
  std::string sha256;  ///< over `files`: one hash for the whole model
  /// SHA-256 of each file, by its name relative to the model's folder ("tokenizer.json", "2_Dense/model.safetensors");
  /// the encoder's weights are one entry, "weights", as weights_sha256().
  std::map<std::string, std::string> files;
};

/// A loaded model. Movable. All const functions may be called from any number of threads at once. Concurrent calls to
/// `encode` share the model's threads: a call alone has all of them, with others each works on at least one, and more
/// calls than threads take turns, a micro-batch at a time. A vector is the same, bit for bit, however busy the model
/// is. A server with many callers of few texts each is better off with a RequestQueue (treble/request_queue.h), which
/// puts them into common batches.
class SentenceEncoder {
 public:
  /// Throws Error{not_found, invalid_file, unsupported, invalid_argument}.
  TREBLE_API static SentenceEncoder load(const ModelOptions& options);

  /// What was moved from may only be assigned to or destroyed.
  TREBLE_API SentenceEncoder(SentenceEncoder&&) noexcept;
  /// What was moved from may only be assigned to or destroyed.
  TREBLE_API SentenceEncoder& operator=(SentenceEncoder&&) noexcept;
  TREBLE_API ~SentenceEncoder();

  /// One vector a text. A text's vector depends on nothing but the text and the options: not on its companions, their
  /// order, batch_tokens or the number of threads (float32: ≤ 1e-6). An empty text is the model's special tokens alone.
  /// No texts give count = 0. Throws Error{invalid_argument, text_too_long, not_found, unsupported, non_finite,
  /// interrupted}; Error::text_index says which text is to blame, if it is one. A model without a dense output is
  /// Error{unsupported}, naming what it has (treble/outputs.h).
  TREBLE_API Embeddings encode(std::span<const std::string_view> texts, const EncodeOptions& options = {}) const;

  /// As `encode`, into memory of the caller: `vectors` [texts.size(), output_dim(options)], row-major. Its content is
  /// unspecified after an error. Throws Error{invalid_argument} for a wrong size, naming both; what `encode` throws.
  TREBLE_API std::vector<TokenCount> encode_into(std::span<const std::string_view> texts, std::span<float> vectors,
                                                 const EncodeOptions& options = {}) const;

  /// Throws what `encode` would throw for these options whatever the texts: Error{invalid_argument, not_found,
  /// unsupported}.
  TREBLE_API void validate(const EncodeOptions& options) const;

  /// The dimensions of the vectors that `encode` gives under these options. Throws what `validate` throws.
  TREBLE_API std::int64_t output_dim(const EncodeOptions& options = {}) const;

  /// Only counts: what `encode` would report as token_counts, without running the model. Same errors.
  TREBLE_API std::vector<TokenCount> count_tokens(std::span<const std::string_view> texts,
                                                  const EncodeOptions& options = {}) const;

  /// What was loaded.
  TREBLE_API const ModelInfo& info() const noexcept;

  /// SHA-256 over the weight files, as 64 hex digits; with an adapter, over that, the adapter's files and its task, so
  /// that it differs from the base model's. Computed at the first call (reads the files once), then kept.
  TREBLE_API const std::string& weights_sha256() const;

  /// Hashes of everything the model was read from (treble/model_files.h). Computed at the first call, then kept. Throws
  /// Error{not_found, io} when a file is gone.
  TREBLE_API const ModelFingerprint& fingerprint() const;

 private:
  friend struct internal::EncoderAccess;
  struct Impl;
  explicit SentenceEncoder(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace treble
