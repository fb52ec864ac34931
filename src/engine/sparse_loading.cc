#include "engine/sparse_loading.h"

#include <array>
#include <optional>
#include <utility>

#include "base/fail_about.h"
#include "base/file_presence.h"
#include "base/json_file.h"
#include "engine/sparse_settings.h"
#include "engine/special_tokens.h"
#include "models/masked_lm_head.h"
#include "models/weight_loader.h"
#include "pooling/token_weight_head.h"
#include "safetensors/safetensors.h"

namespace treble::internal {

namespace {

namespace fs = std::filesystem;

/// The ids of the tokens that FlagEmbedding gives no weight, by the names that transformers knows them by.
std::vector<std::int32_t> ids_left_out(const fs::path& folder, const Tokenizer& tokenizer) {
  std::vector<std::int32_t> ids;
  for (const char* key : {"cls_token", "eos_token", "pad_token", "unk_token"}) {
    if (const auto id = special_token_id(folder, tokenizer, key)) ids.push_back(*id);
  }
  return ids;
}

}  // namespace

std::unique_ptr<const SparseHead> load_splade_head(const Encoder& encoder, const fs::path& folder,
                                                   const SpladeConfig& config, ComputeType type) {
  const MaskedLmHead head = load_masked_lm_head(encoder, folder);
  const HeadLayer& layer = head.transform;
  const ChainLayer transform{.in = layer.in,
                             .out = layer.out,
                             .weight = {layer.weight.data(), static_cast<std::size_t>(layer.in * layer.out)},
                             .bias = layer.bias,
                             .activation = layer.activation,
                             .norm_gain = layer.norm.gain,
                             .norm_bias = layer.norm.bias,
                             .norm_eps = layer.norm.eps};
  return std::make_unique<SpladeHead>(SpladeWeights{transform, head.decoder, head.bias}, config, type);
}

std::unique_ptr<const SparseHead> load_token_weight_head(const ModelParts& parts, const LoadedParts& loaded) {
  const fs::path file = parts.folder / kTokenWeightsFile;
  const TensorArchive archive = TensorArchive::open_file(file);
  const WeightLoader loader(archive, "", file.string());
  const std::int64_t width = loaded.encoder.config().output_width();
  const AlignedBuffer<float> weight = loader.matrix("weight", 1, width);
  TokenWeightHead::Parts head{.weight = {weight.data(), weight.data() + width},
                              .bias = loader.vector("bias", 1).front(),
                              .vocab_size = loaded.encoder.config().vocab_size,
                              .left_out = ids_left_out(parts.transformer, loaded.tokenizer)};
  if (const auto unread = loader.unread(); !unread.empty()) {
    fail_file(file, ErrorCode::unsupported,
              "the tensor {:.100} is not known; BGE-M3's linear layer has weight and bias", unread.front());
  }
  return std::make_unique<TokenWeightHead>(std::move(head));
}

LateSparseHead::LateSparseHead(Load load, std::int64_t dim) : load_(std::move(load)), dim_(dim) {}

std::vector<TokenWeights> LateSparseHead::run(const Execution& execution, const PackedBatch& batch,
                                              ConstMatrixView hidden) const {
  std::call_once(once_, [this] { head_ = load_(); });
  return head_->run(execution, batch, hidden);
}

std::vector<std::string> LateSparseHead::descriptions() const {
  return {fmt::format("SPLADE from the masked language model's {} logits, loaded when it is asked for", dim_)};
}

}  // namespace treble::internal
