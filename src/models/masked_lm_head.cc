#include "models/masked_lm_head.h"

#include "base/fail_about.h"
#include "base/file_presence.h"
#include "base/json_file.h"
#include "models/head_config.h"
#include "models/model_registry.h"
#include "models/weight_loader.h"

namespace treble::internal {

namespace {

namespace fs = std::filesystem;

HeadLayer load_transform(const WeightLoader& loader, const MaskedLmHeadConfig& config, std::int64_t in,
                         std::int64_t out) {
  return {.in = in,
          .out = out,
          .weight = loader.matrix(config.dense + ".weight", out, in),
          .bias = config.dense_bias ? loader.vector(config.dense + ".bias", out) : std::vector<float>(),
          .activation = config.activation,
          .norm = loader.norm(config.norm, out,
                              {.kind = NormKind::layer, .bias = config.norm_bias, .eps = config.norm_eps})};
}

/// Its own, or what transformers ties to it.
std::vector<float> load_bias(const WeightLoader& loader, const MaskedLmHeadConfig& config, std::int64_t size) {
  if (!config.decoder_bias) return {};
  const std::string own = config.decoder + ".bias";
  return loader.vector(loader.has(own) || config.tied_bias.empty() ? own : config.tied_bias, size);
}

}  // namespace

bool has_masked_lm_head(const Encoder& encoder, const fs::path& folder) {
  const auto config = find_masked_lm_head_config(JsonObject::from_file(folder / "config.json"));
  return config && encoder.archive().find(config->dense + ".weight") != nullptr;
}

MaskedLmHead load_masked_lm_head(const Encoder& encoder, const fs::path& folder) {
  const auto json = JsonObject::from_file(folder / "config.json");
  const MaskedLmHeadConfig config = read_masked_lm_head_config(json);
  const WeightLoader loader(encoder.archive(), "", folder.string());
  const std::int64_t vocabulary = encoder.config().vocab_size;
  const std::int64_t width = encoder.config().embedding_width();
  if (!loader.has(config.dense + ".weight")) {
    fail_file(folder, ErrorCode::invalid_file,
              "the weights lack the tensor {}.weight of the head for masked language modelling, from which the model's "
              "sparse vectors come; the checkpoint was saved without its head: fetch it again",
              config.dense);
  }
  MaskedLmHead head;
  head.transform = load_transform(loader, config, encoder.config().output_width(), width);
  head.bias = load_bias(loader, config, vocabulary);
  const std::string decoder = config.decoder + ".weight";
  if (loader.has(decoder)) {
    head.decoder = loader.matrix_in_place(decoder, vocabulary, width, head.storage);
  } else if (json.boolean("tie_word_embeddings").value_or(true)) {
    head.decoder = encoder.word_embeddings().as_floats(head.storage);
  } else {
    fail_file(folder, ErrorCode::invalid_file,
              "the weights lack the tensor {}, and \"tie_word_embeddings\" of config.json is false, so the word "
              "embeddings do not stand for it; fetch the weights again",
              decoder);
  }
  return head;
}

}  // namespace treble::internal
