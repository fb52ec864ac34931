#include "models/known_names.h"

#include <algorithm>
#include <array>
#include <span>
#include <vector>

namespace treble::internal {

namespace {

using Names = std::span<const std::string_view>;

constexpr auto kBookkeepingKeys = std::to_array<std::string_view>({"_attn_implementation",
                                                                   "_attn_implementation_autoset",
                                                                   "_attn_implementation_internal",
                                                                   "_commit_hash",
                                                                   "_experts_implementation_internal",
                                                                   "_name_or_path",
                                                                   "architectures",
                                                                   "attn_implementation",
                                                                   "auto_map",
                                                                   "cross_attention_hidden_size",
                                                                   "custom_pipelines",
                                                                   "dtype",
                                                                   "finetuning_task",
                                                                   "gradient_checkpointing",
                                                                   "id2label",
                                                                   "initializer_range",
                                                                   "initializer_factor",
                                                                   "initializer_cutoff_factor",
                                                                   "is_encoder_decoder",
                                                                   "is_decoder",
                                                                   "label2id",
                                                                   "language",
                                                                   "model_max_length",
                                                                   "model_type",
                                                                   "name_or_path",
                                                                   "num_labels",
                                                                   "output_attentions",
                                                                   "output_hidden_states",
                                                                   "output_past",
                                                                   "prefix",
                                                                   "pretraining_tp",
                                                                   "problem_type",
                                                                   "pruned_heads",
                                                                   "reference_compile",
                                                                   "return_dict",
                                                                   "sentence_transformers",
                                                                   "task_specific_params",
                                                                   "tf_legacy_loss",
                                                                   "tie_encoder_decoder",
                                                                   "tie_last_hidden_states",
                                                                   "tie_weights_",
                                                                   "tie_word_embeddings",
                                                                   "tokenizer_class",
                                                                   "torch_dtype",
                                                                   "torchscript",
                                                                   "transformers_version",
                                                                   "unsloth_fixed",
                                                                   "unsloth_version",
                                                                   "use_bfloat16",
                                                                   "use_cache",
                                                                   "add_cross_attention",
                                                                   "chunk_size_feed_forward",
                                                                   "is_causal",
                                                                   "load_trained_adapters",
                                                                   "lora_adaptations",
                                                                   "lora_alpha",
                                                                   "lora_dropout_p",
                                                                   "lora_main_params_trainable",
                                                                   "lora_rank",
                                                                   "task_instructions",
                                                                   "vocab_type",
                                                                   "adapters",
                                                                   "per_layer_config",
                                                                   "quantization",
                                                                   "quantization_config"});

constexpr auto kTokenKeys = std::to_array<std::string_view>(
    {"bos_token_id", "cls_token_id", "decoder_start_token_id", "eos_token_id", "forced_bos_token_id",
     "forced_eos_token_id", "mask_token_id", "pad_token_id", "sep_token_id", "unk_token_id"});

constexpr auto kGenerationKeys = std::to_array<std::string_view>({"bad_words_ids",
                                                                  "begin_suppress_tokens",
                                                                  "diversity_penalty",
                                                                  "do_sample",
                                                                  "early_stopping",
                                                                  "encoder_no_repeat_ngram_size",
                                                                  "exponential_decay_length_penalty",
                                                                  "length_penalty",
                                                                  "max_length",
                                                                  "max_new_tokens",
                                                                  "min_length",
                                                                  "no_repeat_ngram_size",
                                                                  "num_beam_groups",
                                                                  "num_beams",
                                                                  "num_return_sequences",
                                                                  "output_scores",
                                                                  "remove_invalid_values",
                                                                  "repetition_penalty",
                                                                  "return_dict_in_generate",
                                                                  "suppress_tokens",
                                                                  "temperature",
                                                                  "top_k",
                                                                  "top_p",
                                                                  "typical_p"});

/// Dropout is for training; poolers, classifiers and the like stand after the hidden states.
constexpr auto kTrainingAndHeadKeys = std::to_array<std::string_view>({"attention_dropout",
                                                                       "attention_probs_dropout_prob",
                                                                       "attn_pdrop",
                                                                       "classifier_dropout",
                                                                       "classifier_dropout_prob",
                                                                       "directionality",
                                                                       "dropout",
                                                                       "dropout_rate",
                                                                       "embd_pdrop",
                                                                       "emb_pooler",
                                                                       "embedding_dropout",
                                                                       "hidden_dropout_prob",
                                                                       "pooler_dropout",
                                                                       "pooler_fc_size",
                                                                       "pooler_hidden_act",
                                                                       "pooler_hidden_size",
                                                                       "pooler_num_attention_heads",
                                                                       "pooler_num_fc_layers",
                                                                       "pooler_size_per_head",
                                                                       "pooler_type",
                                                                       "qa_dropout",
                                                                       "resid_pdrop",
                                                                       "sbert_ce_default_activation_function",
                                                                       "seq_classif_dropout",
                                                                       "summary_activation",
                                                                       "summary_first_dropout",
                                                                       "summary_last_dropout",
                                                                       "summary_proj_to_labels",
                                                                       "summary_type",
                                                                       "summary_use_proj"});

/// What single families have besides. The last entry whose type is empty would hold for all.
struct FamilyNames {
  std::string_view model_type;
  std::vector<std::string_view> keys;
  std::vector<std::string_view> tensors;
  /// Of what is not text.
  std::vector<std::string_view> towers = {};
};

/// Patterns: "x.*" and "*.x" match what begins or ends so.
const std::vector<FamilyNames>& family_names() {
  static const std::vector<FamilyNames> kNames = {
      {"bert",
       {"alibi_starting_size", "feed_forward_type", "attn_implementation", "hidden_act", "max_trained_positions",
        "output_global_attentions"},
       {"cls.*", "pooler.*", "classifier.*", "qa_outputs.*", "linear.*"}},
      {"jina_bert", {"alibi_starting_size", "hidden_act"}, {"cls.*", "pooler.*", "classifier.*", "qa_outputs.*"}},
      {"roberta", {}, {"lm_head.*", "pooler.*", "classifier.*", "qa_outputs.*"}},
      {"xlm-roberta",
       {"lora_prompts", "matryoshka_dimensions", "truncate_dim", "use_flash_attn", "use_reentrant"},
       {"lm_head.*", "pooler.*", "classifier.*", "qa_outputs.*", "colbert_linear.*", "sparse_linear.*"}},
      {"camembert", {}, {"lm_head.*", "pooler.*", "classifier.*", "qa_outputs.*"}},
      {"jina_embeddings_v3", {}, {"lm_head.*", "pooler.*", "classifier.*", "qa_outputs.*"}},
      {"distilbert",
       {"sinusoidal_pos_embds"},
       {"vocab_transform.*", "vocab_layer_norm.*", "vocab_projector.*", "pre_classifier.*", "classifier.*",
        "qa_outputs.*"}},
      {"mpnet", {"type_vocab_size"}, {"lm_head.*", "pooler.*", "classifier.*", "qa_outputs.*"}},
      {"electra",
       {},
       {"generator_predictions.*", "generator_lm_head.*", "discriminator_predictions.*", "sequence_summary.*",
        "classifier.*", "qa_outputs.*"}},
      {"albert",
       {"down_scale_factor", "gap_size", "layers_to_keep", "net_structure_type", "num_memory_blocks"},
       {"predictions.*", "sop_classifier.*", "pooler.*", "classifier.*", "qa_outputs.*"}},
      // Its encoder's norm is of the relative positions, which it may go without.
      {"deberta-v2",
       {"legacy", "conv_groups", "conv_act"},
       {"cls.*", "lm_predictions.*", "mask_predictions.*", "pooler.*", "classifier.*", "qa_outputs.*",
        "encoder.LayerNorm.*"}},
      // The word embeddings are tied: what the encoder and the decoder keep of them are copies of "shared".
      {"t5",
       {"decoder_layers", "n_positions", "num_decoder_layers", "scale_decoder_outputs"},
       {"decoder.*", "lm_head.*", "classification_head.*", "classifier.*", "qa_outputs.*",
        "encoder.embed_tokens.weight"}},
      {"mt5",
       {"n_positions", "num_decoder_layers", "scale_decoder_outputs"},
       {"decoder.*", "lm_head.*", "classification_head.*", "classifier.*", "qa_outputs.*",
        "encoder.embed_tokens.weight"}},
      {"umt5",
       {"n_positions", "num_decoder_layers", "scale_decoder_outputs"},
       {"decoder.*", "lm_head.*", "classification_head.*", "classifier.*", "qa_outputs.*",
        "encoder.embed_tokens.weight"}},
      {"nomic_bert",
       {"add_pooling_layer", "dense_seq_output", "fused_bias_fc", "fused_dropout_add_ln", "max_trained_positions",
        "moe_resid_pdrop", "n_ctx", "pad_vocab_size_multiple", "reorder_and_upcast_attn", "router_aux_loss_coef",
        "use_flash_attn", "use_xentropy"},
       {"cls.*", "lm_head.*", "pooler.*", "classifier.*"}},
      {"new",
       {"logn_attention_clip1", "unpad_inputs", "use_memory_efficient_attention"},
       {"lm_head.*", "pooler.*", "classifier.*"}},
      {"gte",
       {"logn_attention_clip1", "unpad_inputs", "use_memory_efficient_attention"},
       {"lm_head.*", "pooler.*", "classifier.*"}},
      {"modernbert",
       {"classifier_activation", "classifier_bias", "classifier_pooling", "decoder_bias", "deterministic_flash_attn",
        "layer_norm_eps", "mlp_dropout", "position_embedding_type", "repad_logits_with_grad",
        "sparse_pred_ignore_index", "sparse_prediction", "global_attn_every_n_layers"},
       {"head.*", "decoder.*", "classifier.*"}},
      {"gemma3_text",
       {"_sliding_window_pattern", "sliding_window_pattern", "cache_implementation", "final_logit_softcapping"},
       {"lm_head.*", "score.*"}},
      {"embedding_gemma2",
       {"vision_config", "audio_config", "boi_token_id", "eoi_token_id", "boa_token_id", "eoa_token_index",
        "eoa_token_id"},
       {},
       {"vision_tower.*", "embed_vision.*", "audio_tower.*", "embed_audio.*"}},
      {"embedding_gemma2_text",
       {"sliding_window_pattern", "global_head_dim", "num_global_key_value_heads", "cache_implementation"},
       {}},
      {"llama", {"max_window_layers", "sliding_window", "use_sliding_window", "layer_types"}, {"lm_head.*", "score.*"}},
      {"eurobert",
       {"classifier_pooling", "clf_pooling", "hidden_dropout", "bos_token", "eos_token", "mask_token", "pad_token"},
       {"lm_head.*", "dense.*", "classifier.*"}},
      {"ultrabert",
       {"classifier_pooling", "prediction_head_size", "sliding_window", "attention_windows", "rope_theta"},
       {"head.*", "cls.*", "classifier.*", "qa_outputs.*"}},
      {"mamba2",
       {"chunk_size", "fused_add_norm", "rescale_prenorm_residual", "residual_in_fp32", "attn_cfg", "tie_embeddings",
        "time_step_floor", "time_step_max", "time_step_min", "time_step_rank", "intermediate_size", "layer_types"},
       {"lm_head.*"}},
      {"mistral", {}, {"lm_head.*", "score.*"}},
      {"qwen2", {"sliding_window", "max_window_layers", "use_mrope"}, {"lm_head.*", "score.*"}},
      {"qwen3", {"sliding_window", "max_window_layers", "use_mrope"}, {"lm_head.*", "score.*"}},
  };
  return kNames;
}

/// Buffers that older releases of transformers stored with the weights.
constexpr auto kBuffers =
    std::to_array<std::string_view>({"*position_ids", "*token_type_ids", "*inv_freq", "*masked_bias"});

bool matches(std::string_view pattern, std::string_view name) {
  if (pattern.starts_with('*')) return name.ends_with(pattern.substr(1));
  if (pattern.ends_with('*')) return name.starts_with(pattern.substr(0, pattern.size() - 1));
  return name == pattern;
}

bool contains(Names names, std::string_view name) { return std::find(names.begin(), names.end(), name) != names.end(); }

const FamilyNames* names_of(std::string_view model_type) {
  const auto& all = family_names();
  const auto found =
      std::find_if(all.begin(), all.end(), [&](const FamilyNames& names) { return names.model_type == model_type; });
  return found == all.end() ? nullptr : &*found;
}

bool matches_any(Names patterns, std::string_view name) {
  return std::any_of(patterns.begin(), patterns.end(),
                     [&](std::string_view pattern) { return matches(pattern, name); });
}

}  // namespace

bool is_harmless_key(std::string_view model_type, std::string_view key) {
  for (const Names names :
       {Names(kBookkeepingKeys), Names(kTokenKeys), Names(kGenerationKeys), Names(kTrainingAndHeadKeys)}) {
    if (contains(names, key)) return true;
  }
  const FamilyNames* family = names_of(model_type);
  return family != nullptr && contains(family->keys, key);
}

bool is_harmless_tensor(std::string_view model_type, std::string_view prefix, std::string_view name) {
  if (matches_any(kBuffers, name)) return true;
  const FamilyNames* family = names_of(model_type);
  if (family == nullptr) return false;
  const std::string_view own = name.starts_with(prefix) ? name.substr(prefix.size()) : name;
  return matches_any(family->tensors, name) || matches_any(family->tensors, own) ||
         is_of_another_tower(model_type, name);
}

bool is_of_another_tower(std::string_view model_type, std::string_view name) {
  const FamilyNames* family = names_of(model_type);
  if (family == nullptr) return false;
  // The whole may stand behind a head's prefix.
  return matches_any(family->towers, name) ||
         (name.starts_with("model.") && matches_any(family->towers, name.substr(std::string_view("model.").size())));
}

}  // namespace treble::internal
