#include "engine/output_collector.h"

#include "batch/batch_packer.h"
#include "engine/sentence_encoder_impl.h"

namespace treble {

void internal::collect_outputs(const SentenceEncoder& encoder, std::span<const TokenizedText> texts,
                               const EncodeOptions& options, const Collection& collection, CallWatch& watch) {
  auto& model = EncoderAccess::implementation(encoder);
  model.check_temperature(options);
  model.check_state_control(options);
  const auto batches = pack_batches(texts, plan_batches(options, model.pool.size(), collection.batching));
  model.run_batches(batches, collection.batching, watch,
                    [&](const Execution& execution, EncodeWorker& worker, const PackedBatch& batch) {
                      const ConstMatrixView hidden =
                          model.encoder.run({.execution = execution,
                                             .workspace = worker.layers,
                                             .temperatures = {&options.temperature, 1},
                                             .temper_position_bias = options.temper_position_bias,
                                             .state_controls = {&options.state, 1}},
                                            batch);
                      for (OutputCollector* collector : collection.collectors)
                        collector->take(execution, batch, hidden);
                    });
}

}  // namespace treble
