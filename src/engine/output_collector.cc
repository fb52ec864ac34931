#include "engine/output_collector.h"

#include "batch/batch_packer.h"
#include "engine/sentence_encoder_impl.h"

namespace treble {

void internal::collect_outputs(const SentenceEncoder& encoder, std::span<const TokenizedText> texts,
                               const EncodeOptions& options, std::span<OutputCollector* const> collectors,
                               CallWatch& watch) {
  auto& model = EncoderAccess::implementation(encoder);
  model.check_temperature(options);
  model.check_state_control(options);
  const auto batches = pack_batches(texts, plan_batches(options, model.pool.size(), Batching::fastest));
  model.run_batches(batches, Batching::fastest, watch,
                    [&](const Execution& execution, EncodeWorker& worker, const PackedBatch& batch) {
                      const ConstMatrixView hidden =
                          model.encoder.run({.execution = execution,
                                             .workspace = worker.layers,
                                             .temperatures = {&options.temperature, 1},
                                             .temper_position_bias = options.temper_position_bias,
                                             .state_controls = {&options.state, 1}},
                                            batch);
                      for (OutputCollector* collector : collectors) collector->take(execution, batch, hidden);
                    });
}

}  // namespace treble
