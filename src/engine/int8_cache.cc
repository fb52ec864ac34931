#include "engine/int8_cache.h"

#include <fmt/format.h>

#include "base/sha256.h"
#include "engine/model_info.h"
#include "kernels/compute_isa.h"
#include "safetensors/safetensors.h"
#include "treble/version.h"

namespace treble::internal {

namespace {

/// Of what a CPU makes of int8: how wide codes are, and in what the inputs of layers are computed.
std::string cpu_kind() {
  const Int8Range range = int8_range();
  return fmt::format("{}, codes to {} and {}, pairs to {}, {} activations", compute_isa(), range.input_max,
                     range.weight_qmax, range.pair_max,
                     supports_bf16_activations(ComputeType::int8) ? "bfloat16" : "float32");
}

}  // namespace

Int8CacheEntry int8_cache_entry(const ModelOptions& options, const ModelParts& parts, ModelPurpose purpose) {
  Int8CacheEntry entry;
  entry.weights_sha256 = hash_weights(parts, TensorArchive::open_folder(parts.weights).files());
  entry.key =
      fmt::format("treble {} {}\nmodel {}\nfor {}\nmax_length {}, extension {}\nspecial tokens as text {}\ncpu {}",
                  version(), git_commit(), fingerprint_model(parts, entry.weights_sha256).sha256,
                  purpose == ModelPurpose::vectors ? "vectors" : "scores",
                  options.max_length ? fmt::format("{}", *options.max_length) : "the model's",
                  to_string(options.extension), options.special_tokens_as_text, cpu_kind());
  entry.file = std::filesystem::path(options.cache) / fmt::format("int8-{:.32}.safetensors", sha256_of(entry.key));
  return entry;
}

}  // namespace treble::internal
