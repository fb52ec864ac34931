#include "engine/layer_vectors.h"

#include <algorithm>
#include <cmath>
#include <span>

#include "base/fail.h"
#include "engine/encoder_access.h"
#include "engine/sentence_encoder_impl.h"

namespace treble {

namespace internal {

namespace {

/// Pools what it sees of a batch into the rows of its texts.
class LayerPooler : public AttentionObserver {
 public:
  LayerPooler(const ModuleChain& modules, const Execution& execution, std::span<const std::int64_t> layers,
              std::size_t first_row, LayerVectors& out)
      : modules_(modules), execution_(execution), layers_(layers), first_row_(first_row), out_(out) {}

  void on_attention(std::int64_t /*layer*/, const PackedBatch& /*batch*/, const AttentionInputs& /*inputs*/) override {}

  void on_hidden_states(std::int64_t layer, const PackedBatch& batch, ConstMatrixView hidden) override {
    const auto found = std::find(layers_.begin(), layers_.end(), layer);
    if (found == layers_.end()) return;
    std::vector<float>& rows = out_.layers[static_cast<std::size_t>(found - layers_.begin())];
    const std::int64_t width = out_.pooled_width;
    pooled_.resize(static_cast<std::size_t>(batch.num_sequences() * width));
    modules_.pool_only(execution_, batch, hidden, {pooled_.data(), batch.num_sequences(), width});
    for (std::int64_t sequence = 0; sequence < batch.num_sequences(); ++sequence) {
      const auto row = static_cast<std::ptrdiff_t>(first_row_) + batch.text_index[static_cast<std::size_t>(sequence)];
      std::copy_n(pooled_.begin() + sequence * width, width, rows.begin() + row * width);
    }
  }

 private:
  const ModuleChain& modules_;
  const Execution& execution_;
  std::span<const std::int64_t> layers_;
  std::size_t first_row_;
  LayerVectors& out_;
  std::vector<float> pooled_;
};

}  // namespace

}  // namespace internal

LayerVectors EncoderAccess::room_for_layers(const SentenceEncoder& encoder, const EncodeOptions& options,
                                            std::size_t texts, std::size_t layers) {
  encoder.validate(options);
  LayerVectors room{.texts = static_cast<std::int64_t>(texts),
                    .pooled_width = encoder.impl_->modules->pooling_width(),
                    .dim = encoder.output_dim(options)};
  room.layers.assign(layers, std::vector<float>(texts * static_cast<std::size_t>(room.pooled_width)));
  room.final_vectors.resize(texts * static_cast<std::size_t>(room.dim));
  return room;
}

void EncoderAccess::encode_layers(const SentenceEncoder& encoder, const LayerCallTexts& call,
                                  const EncodeOptions& options, LayerVectors& out) {
  SentenceEncoder::Impl& model = *encoder.impl_;
  const EncoderConfig& config = model.encoder.config();
  if (config.output_width() != config.hidden_size) {
    fail(ErrorCode::unsupported,
         "the layers of a {} model give {} numbers a token, but its pooling works on the {} that a projection makes of "
         "the last one's, so its layers have no vectors to compare",
         config.model_type, config.hidden_size, config.output_width());
  }
  const CallPlan plan = model.plan(options);
  const auto tokenized = model.tokenize(call.texts, plan);
  const auto batches = pack_batches(tokenized, plan_batches(options, model.pool.size(), Batching::repeatable));
  const auto dim = static_cast<std::size_t>(out.dim);
  const std::span<float> rows = std::span(out.final_vectors).subspan(call.first_row * dim);
  CallWatch watch(options, std::ssize(call.texts));
  model.run_batches(
      batches, Batching::repeatable, watch,
      [&](const Execution& execution, EncodeWorker& worker, const PackedBatch& batch) {
        LayerPooler pooler(*model.modules, execution, call.layers, call.first_row, out);
        const ConstMatrixView hidden = model.encoder.run({.execution = execution,
                                                          .workspace = worker.layers,
                                                          .temperatures = {&options.temperature, 1},
                                                          .temper_position_bias = options.temper_position_bias,
                                                          .state_controls = {&options.state, 1},
                                                          .observer = &pooler},
                                                         batch);
        const std::int64_t width = model.modules->full_width();
        const MatrixView pooled(worker.pooled.ensure(static_cast<std::size_t>(batch.num_sequences() * width)),
                                batch.num_sequences(), width);
        model.modules->run(execution, batch, hidden, pooled);
        for (std::int64_t sequence = 0; sequence < batch.num_sequences(); ++sequence) {
          const std::int64_t text = batch.text_index[static_cast<std::size_t>(sequence)];
          const auto vector = rows.subspan(static_cast<std::size_t>(text) * dim, dim);
          model.modules->finish(pooled.row_span(sequence), plan.output, vector);
          if (std::all_of(vector.begin(), vector.end(), [](float value) { return std::isfinite(value); })) continue;
          throw non_finite_vector(static_cast<std::int64_t>(call.first_row) + text, batch.length(sequence),
                                  options.temperature);
        }
      });
}

}  // namespace treble
