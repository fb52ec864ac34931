// What is behind a SentenceEncoder: a loaded model with its threads, and the steps of a call.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/thread_pool.h"
#include "batch/batch_packer.h"
#include "batch/packed_batch.h"
#include "engine/call_watch.h"
#include "engine/encoder_access.h"
#include "engine/length_limit.h"
#include "engine/model_folder.h"
#include "engine/output_heads.h"
#include "kernels/execution.h"
#include "layers/layer_call.h"
#include "models/encoder.h"
#include "models/prepared_layers.h"
#include "pooling/module_chain.h"
#include "tensor/aligned_buffer.h"
#include "tokenizer/tokenizer.h"
#include "treble/sentence_encoder.h"
#include "treble/tokens.h"

namespace treble {

namespace internal {

/// What one thread needs to carry a batch through the model.
struct EncodeWorker {
  Workspace kernels;
  LayerWorkspace layers;
  AlignedBuffer<float> pooled;
};

/// Where the vectors of a call go.
struct VectorRows {
  std::span<float> values;  ///< [texts, dim]
  std::int64_t dim = 0;
};

/// Every thread gets some of a small call, and the last batches of a large one are small; a budget that the caller sets
/// is kept.
BatchPlan plan_batches(const EncodeOptions& options, int threads, Batching batching);

/// The same texts with one token each.
PackedBatch one_token_each(const PackedBatch& batch);

/// Of a text that a recurrent model reads in parts: enough rows for the matrix products of several threads to run at
/// full speed.
inline constexpr std::int64_t kSegmentTokens = 2048;

/// The only sequence of a batch in segments.
std::vector<PackedBatch> segments_of(const PackedBatch& batch);

/// `count` vectors of zeros.
Embeddings room_for(std::size_t count, std::int64_t dim);

/// Text `index` of a call. Throws what SentenceEncoder::encode throws for it.
TokenizedText tokenize_one(const Tokenizer& tokenizer, const CallPlan& plan, std::string_view text, std::int64_t index);

/// Pair `index` of a call, as one sequence; the prompt stands before the query.
TokenizedText tokenize_one(const Tokenizer& tokenizer, const CallPlan& plan, const TextPair& pair, std::int64_t index);

std::vector<TokenCount> token_counts(std::span<const TokenizedText> texts);

}  // namespace internal

using namespace internal;

struct SentenceEncoder::Impl {
  Impl(const ModelOptions& options, ModelSettings read_settings, Int8Calibration& calibration,
       const PreparedLayers* prepared);

  TokenizedText calibration_item(std::size_t index) const;
  std::vector<Int8Layer> calibrate_int8(Int8Calibration& calibration);
  void check_prompt_task(const std::string& prompt_name) const;
  std::string resolve_prompt(const EncodeOptions& options) const;
  std::int64_t resolve_max_length(const EncodeOptions& options) const;
  void check_temperature(const EncodeOptions& options) const;
  void check_state_control(const EncodeOptions& options) const;
  /// What calls for every output check of their options.
  void check_call(const EncodeOptions& options) const;
  void check_prompt_fits(const std::string& prompt, std::int64_t max_length) const;
  CallPlan plan_reading(const EncodeOptions& options) const;
  CallPlan plan(const EncodeOptions& options) const;
  CallPlan plan_token_ids(const EncodeOptions& options) const;
  TokenizedText take_token_ids(const CallPlan& plan, std::span<const std::int32_t> ids, std::int64_t index) const;
  std::vector<std::vector<Token>> tokenize_whole(std::span<const std::string_view> texts,
                                                 const TokenizationOptions& options);
  std::string decode(std::span<const std::int32_t> ids, bool skip_special_tokens) const;
  /// `watch`, if there is one, hears a stop and reports before each chunk of texts.
  std::vector<TokenizedText> tokenize(std::span<const std::string_view> texts, const CallPlan& plan,
                                      CallWatch* watch = nullptr);
  std::vector<TokenizedText> tokenize(std::span<const TextPair> pairs, const CallPlan& plan, CallWatch* watch);
  std::vector<std::int64_t> kept_tokens(const PackedBatch& batch) const;
  std::int64_t output_dim(const EncodeOptions& options) const {
    return modules->output_dim({options.normalize, options.dimensions});
  }
  void validate(const EncodeOptions& options) const;
  Embeddings encode(std::span<const std::string_view> texts, const EncodeOptions& options, Batching batching);
  std::vector<TokenCount> encode_into(std::span<const std::string_view> texts, const CallPlan& call_plan,
                                      const EncodeOptions& options, Batching batching, const VectorRows& out);
  Embeddings encode_token_ids(std::span<const TokenIds> lists, const EncodeOptions& options);
  std::vector<TokenCount> encode_tokenized(std::span<const TokenizedText> texts, const EncodeOptions& options,
                                           Batching batching, const VectorRows& out, CallWatch& watch);
  SpanEmbeddings encode_spans(std::span<const std::string_view> texts, const EncodeOptions& options,
                              std::int64_t max_tokens);
  using BatchBody = std::function<void(const Execution&, EncodeWorker&, const PackedBatch&)>;
  void run_batches(std::span<const PackedBatch> batches, Batching batching, CallWatch& watch, const BatchBody& body);
  void encode_batch(const Execution& execution, EncodeWorker& worker, const PackedBatch& batch,
                    const EncodeOptions& options, const VectorRows& out, const CallWatch& watch) const;
  std::vector<std::int64_t> encode_batch(const Execution& execution, EncodeWorker& worker, const BatchCall& call) const;
  bool reads_in_segments(const BatchCall& call) const;
  void encode_in_segments(const Execution& execution, EncodeWorker& worker, const BatchCall& call,
                          MatrixView pooled) const;
  /// With which all threads share each step of a batch.
  Execution on_all_threads(EncodeWorker& worker) {
    return Execution(worker.kernels, pool.size() > 1 ? &pool : nullptr);
  }

  ModelSettings settings;
  ThreadPool pool;
  /// Of the pool's slots: whoever holds one may use its buffers.
  std::vector<EncodeWorker> workers;
  LengthLimit limit;
  LengthPlan lengths;
  /// Read beside the weights.
  std::future<Tokenizer> loading_tokenizer;
  Encoder encoder;
  Tokenizer tokenizer;
  OutputHeads heads;
  /// Of a model with a dense output.
  std::unique_ptr<const ModuleChain> modules;
  ModelInfo info;
  std::once_flag hash_once;
  std::string weights_sha256;
  std::once_flag fingerprint_once;
  ModelFingerprint fingerprint;
};

}  // namespace treble
