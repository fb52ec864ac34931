// Loading a model: its files, the int8 calibration, the choice of ComputeType::automatic.
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "base/cpu.h"
#include "base/fail.h"
#include "batch/batch_packer.h"
#include "engine/compute_choice.h"
#include "engine/int8_cache.h"
#include "engine/model_info.h"
#include "engine/multi_vector_head.h"
#include "engine/rounding_sentences.h"
#include "engine/sentence_encoder_impl.h"
#include "kernels/compute_isa.h"
#include "kernels/int8_calibration.h"
#include "models/classification_head.h"
#include "models/folder_check.h"
#include "models/model_registry.h"
#include "models/static_embedding.h"

#if defined(__GLIBC__)
#include <malloc.h>
#endif

namespace treble {

namespace {

Tokenizer load_tokenizer(const ModelOptions& options, const ModelSettings& settings) {
  if (settings.parts.is_static) {
    return Tokenizer::from_file(settings.parts.transformer / "tokenizer.json",
                                {.special_tokens_as_text = options.special_tokens_as_text});
  }
  if (settings.multi_vector && !settings.multi_vector->marks.empty() && options.special_tokens_as_text) {
    fail(ErrorCode::unsupported,
         "ModelOptions::special_tokens_as_text would split the marks that this multi-vector model puts before queries "
         "and "
         "documents; leave it out");
  }
  Tokenizer tokenizer = Tokenizer::from_folder(
      settings.parts.transformer,
      {.special_tokens_as_text = options.special_tokens_as_text, .lowercase = settings.lowercase});
  if (settings.multi_vector) make_marks_special(*settings.multi_vector, tokenizer);
  return tokenizer;
}

EncoderConfig read_config(const ModelParts& parts) {
  return parts.is_static ? read_static_config(parts.weights) : read_encoder_config(parts.weights);
}

Encoder load_any_encoder(const ModelParts& parts, const LengthPlan& lengths, const LoadOptions& options) {
  if (!parts.is_static) return load_encoder(parts.weights, lengths, options);
  if (lengths.extension != PositionExtension::none) {
    fail(ErrorCode::unsupported,
         "ModelOptions::extension {} is for models that have positions; a StaticEmbedding has none and reads texts of "
         "any length",
         to_string(lengths.extension));
  }
  return load_static_encoder(parts.weights);
}

/// Calibration frees half as much memory as the weights take, in pieces that the allocator would keep.
void give_back_freed_memory() {
#if defined(__GLIBC__)
  malloc_trim(0);
#endif
}

/// What follows the encoder where texts get a vector: the folder's modules, or the head in the model's weights.
std::unique_ptr<const ModuleChain> load_modules(const ModelSettings& settings, const OutputHeads& heads,
                                                const Encoder& encoder) {
  if (!heads.dense) return nullptr;
  const std::int64_t hidden = encoder.config().output_width();
  if (settings.purpose == ModelPurpose::vectors) {
    return std::make_unique<const ModuleChain>(
        ModuleChain::load(settings.parts.folder, hidden, settings.parts.is_static));
  }
  const ClassificationHead head = settings.scores.tokens
                                      ? load_token_head(encoder, settings.parts.weights, *settings.scores.tokens)
                                      : load_head(encoder, settings.parts.weights);
  std::vector<ChainLayer> layers;
  layers.reserve(head.layers.size());
  for (const HeadLayer& layer : head.layers) {
    layers.push_back({.in = layer.in,
                      .out = layer.out,
                      .weight = {layer.weight.data(), static_cast<std::size_t>(layer.in * layer.out)},
                      .bias = layer.bias,
                      .activation = layer.activation,
                      .norm_gain = layer.norm.gain,
                      .norm_bias = layer.norm.bias,
                      .norm_eps = layer.norm.eps});
  }
  return std::make_unique<const ModuleChain>(ModuleChain::of_head(head.pooling, hidden, layers));
}

}  // namespace

SentenceEncoder::Impl::Impl(const ModelOptions& options, ModelSettings read_settings, Int8Calibration& calibration,
                            const PreparedLayers* prepared)
    : settings(std::move(read_settings)),
      pool(options.threads == 0 ? available_threads() : options.threads),
      workers(static_cast<std::size_t>(pool.size())),
      limit(choose_length(settings.limits, read_config(settings.parts))),
      lengths(plan_lengths(options, limit)),
      loading_tokenizer(std::async(std::launch::async, load_tokenizer, std::cref(options), std::cref(settings))),
      encoder(load_any_encoder(settings.parts, lengths,
                               {options.dtype, &pool, &calibration, prepared, settings.parts.adapter})),
      tokenizer(loading_tokenizer.get()),
      heads(load_output_heads(settings, {encoder, tokenizer}, options.dtype)),
      modules(load_modules(settings, heads, encoder)) {}

/// Built-in sentence `index`; of a model for scores, with the next one as a pair.
TokenizedText SentenceEncoder::Impl::calibration_item(std::size_t index) const {
  const auto sentences = rounding_sentences();
  const auto number = static_cast<std::int64_t>(index);
  const CallPlan reading = plan_reading({});
  if (settings.purpose == ModelPurpose::vectors) return tokenize_one(tokenizer, reading, sentences[index], number);
  const TextPair pair{sentences[index], sentences[(index + 1) % sentences.size()]};
  return tokenize_one(tokenizer, reading, pair, number);
}

/// On the built-in sentences, one by one; the same for any number of threads, as int8 is. What the model cannot read (a
/// word it has no token for, a limit that leaves no room for text) is left out: loading does not fail for texts that
/// nobody asked about.
std::vector<Int8Layer> SentenceEncoder::Impl::calibrate_int8(Int8Calibration& calibration) {
  Workspace kernels;
  LayerWorkspace layers;
  const Execution shared(kernels, &pool, &calibration);
  const Execution alone(kernels, nullptr, &calibration);
  for (std::size_t i = 0; i < rounding_sentences().size(); ++i) {
    try {
      const auto tokenized = calibration_item(i);
      for (const auto& batch : pack_batches({&tokenized, 1}, {})) {
        // Inputs are observed by one thread at a time; where threads split the outputs, that is so.
        const Execution& execution = Linear::splits_outputs(shared, batch.total_tokens()) ? shared : alone;
        pool.run([&](int) { encoder.run({.execution = execution, .workspace = layers}, batch); });
      }
    } catch (const Error&) {
      continue;
    }
  }
  return calibration.requantize(shared);
}

SentenceEncoder SentenceEncoder::load(const ModelOptions& options) {
  return EncoderAccess::load(options, ModelPurpose::vectors);
}

SentenceEncoder EncoderAccess::load(const ModelOptions& options, ModelPurpose purpose) {
  if (options.dtype == ComputeType::automatic) return load_fastest(options, purpose);
  ModelParts parts = find_model_parts(options.model, {options.adapter, options.task});
  check_model_folder(parts);
  std::optional<Int8CacheEntry> cache;
  std::optional<PreparedLayers> prepared;
  if (options.dtype == ComputeType::int8 && !options.cache.empty() && !parts.is_static) {
    cache = int8_cache_entry(options, parts, purpose);
    prepared = PreparedLayers::open(cache->file, cache->key);
  }
  Int8Calibration calibration(cache.has_value());
  auto impl = std::make_unique<SentenceEncoder::Impl>(options, read_model_settings(std::move(parts), purpose),
                                                      calibration, prepared ? &*prepared : nullptr);
  if (cache) std::call_once(impl->hash_once, [&] { impl->weights_sha256 = cache->weights_sha256; });
  impl->info = describe_model({.options = options,
                               .settings = impl->settings,
                               .limit = impl->limit,
                               .lengths = impl->lengths,
                               .encoder = impl->encoder,
                               .heads = impl->heads,
                               .modules = impl->modules.get(),
                               .tokenizer = impl->tokenizer,
                               .threads = impl->pool.size()});
  if (prepared) {
    impl->info.prepared_from = prepared->file().string();
  } else if (options.dtype == ComputeType::int8) {
    const std::vector<Int8Layer> layers = impl->calibrate_int8(calibration);
    if (cache) PreparedLayers::write(cache->file, cache->key, layers);
  }
  if (options.dtype == ComputeType::int8) {
    give_back_freed_memory();
  }
  return SentenceEncoder(std::move(impl));
}

SentenceEncoder EncoderAccess::load_fastest(ModelOptions options, ModelPurpose purpose) {
  const bool vectors = purpose == ModelPurpose::vectors;
  const char* measure = vectors ? "mean cosine to float32" : "correlation of logits with float32";
  options.dtype = ComputeType::float32;
  SentenceEncoder exact = load(options, purpose);
  std::string reason;
  for (const ComputeType type : fast_compute_types(exact.info().hidden_size)) {
    options.dtype = type;
    SentenceEncoder candidate = load(options, purpose);
    const double agreement = vectors ? sample_cosine(exact, candidate) : sample_correlation(exact, candidate);
    const bool faithful = agreement >= kMinSampleAgreement;
    reason += fmt::format("{}{}: {} {:.6f} on {} sample {}, {} {}", reason.empty() ? "" : "; ", to_string(type),
                          measure, agreement, kNumSamples, vectors ? "texts" : "pairs", faithful ? "at least" : "below",
                          kMinSampleAgreement);
    if (!faithful) continue;
    candidate.impl_->info.dtype_reason = "auto: " + reason;
    return candidate;
  }
  exact.impl_->info.dtype_reason = "auto: " + reason;
  return exact;
}

}  // namespace treble
