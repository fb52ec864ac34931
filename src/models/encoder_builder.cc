#include "models/encoder_builder.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "base/fail.h"
#include "kernels/compute_isa.h"
#include "layers/disentangled_attention.h"

namespace treble::internal {

EncoderBuilder::EncoderBuilder(const WeightLoader& loader, const WeightNames& names, const EncoderConfig& config,
                               const LengthPlan& lengths, ComputeType type, Int8Calibration* calibration,
                               const PreparedLayers* prepared)
    : loader_(loader),
      names_(names),
      config_(config),
      lengths_(lengths),
      type_(type),
      calibration_(calibration),
      prepared_(prepared) {
  if (config.state_space.enabled) {
    if (lengths.extension == PositionExtension::none) return;
    fail(ErrorCode::unsupported,
         "ModelOptions::extension {} is for models that have positions; {} has none and reads texts of any length",
         to_string(lengths.extension), config.model_type);
  }
  plan_ = make_position_plan(lengths.extension, lengths.max_tokens, lengths.trained(config));
  if (config.learned_positions && changes_rotary_base(lengths.extension) &&
      lengths.max_tokens > lengths.trained(config)) {
    fail(ErrorCode::invalid_argument,
         "ModelOptions::extension ntk is for rotary positions; {} has a learned table: use interpolate, "
         "group or recur",
         config.model_type);
  }
}

std::string EncoderBuilder::name_of(const std::string& pattern, std::int64_t group) {
  return fmt::format(fmt::runtime(pattern), group);
}

Norm EncoderBuilder::norm(const std::string& stem, std::int64_t size) const {
  return loader_.norm(stem, size, {config_.norm_kind, config_.norm_bias, config_.norm_plus_one, config_.norm_eps});
}

Norm EncoderBuilder::final_norm() const {
  return config_.final_norm ? norm(names_.final_norm, config_.hidden_size) : Norm{};
}

std::optional<Linear> EncoderBuilder::output_projection() const {
  if (config_.output_size == 0) return std::nullopt;
  return linear({names_.output_projection}, {config_.output_size}, config_.hidden_size, false, linear_options());
}

std::optional<TokenConvolution> EncoderBuilder::convolution() const {
  const std::int64_t kernel = config_.convolution_kernel;
  const std::int64_t width = config_.hidden_size;
  if (kernel == 0) return std::nullopt;
  const auto weight = loader_.convolution(names_.convolution + ".weight", width, width, kernel);
  return TokenConvolution(
      {kernel,
       Linear(ConstMatrixView(weight.data(), width, kernel * width),
              loader_.vector(names_.convolution + ".bias", width), {.activation = config_.convolution_activation}),
       norm(names_.convolution_norm, width)});
}

BlockNorms EncoderBuilder::block_norms(const std::string& stem, const std::string& result_stem) const {
  BlockNorms norms;
  switch (config_.norm_placement) {
    case NormPlacement::post: norms.after = norm(stem, config_.hidden_size); break;
    case NormPlacement::pre: norms.before = norm(stem, config_.hidden_size); break;
    case NormPlacement::sandwich:
      norms.before = norm(stem, config_.hidden_size);
      norms.inside = norm(result_stem, config_.hidden_size);
      break;
  }
  return norms;
}

void EncoderBuilder::add_positions(EmbeddingLayer::Parts& parts) const {
  const std::int64_t width = config_.embedding_width();
  const auto size = static_cast<std::size_t>(width);
  std::vector<float> type(size);
  if (config_.num_token_types > 0) {
    // A text alone is of type 0, so its row is part of every position; the other types are the second text of a pair.
    const auto types = loader_.matrix(names_.token_type_embeddings + ".weight", config_.num_token_types, width);
    std::copy_n(types.data(), width, type.data());
    parts.constant = type;
    parts.num_token_types = config_.num_token_types;
    parts.further_types = AlignedBuffer<float>(types.size() - size);
    for (std::size_t i = size; i < types.size(); ++i) {
      parts.further_types.data()[i - size] = types.data()[i] - types.data()[i % size];
    }
  }
  if (!config_.learned_positions) return;
  const auto table = loader_.matrix(names_.position_embeddings + ".weight", config_.num_positions, width);
  const ConstMatrixView rows(table.data(), config_.num_positions, width);
  const auto rows_at = [&](const PositionPlan& plan) {
    AlignedBuffer<float> planned = plan_rows(rows, config_.position_offset, plan);
    for (std::int64_t p = 0; p < plan.size(); ++p) add_row(type, {planned.data() + p * width, size});
    return planned;
  };
  parts.positions = rows_at(plan_);
  if (keeps_short_texts()) parts.short_positions = rows_at(trained_plan());
  if (config_.padding_idx) {
    parts.padding_idx = config_.padding_idx;
    parts.padding_row.assign(rows.row(config_.position_offset - 1), rows.row(config_.position_offset - 1) + width);
    add_row(type, parts.padding_row);
  }
}

EmbeddingLayer EncoderBuilder::embeddings(AlignedBuffer<float>& words) const {
  const std::int64_t width = config_.embedding_width();
  EmbeddingLayer::Parts parts;
  parts.word_embeddings = loader_.stored_rows(names_.word_embeddings + ".weight", config_.vocab_size, width, words);
  parts.word_embeddings_source = loader_.place(names_.word_embeddings + ".weight");
  parts.scale = static_cast<float>(config_.embedding_scale);
  parts.placeholders = config_.placeholders;
  // States have no positions that could end; what a text is cut to is the engine's.
  parts.max_tokens = config_.state_space.enabled ? config_.practical_limit() : lengths_.max_tokens;
  add_positions(parts);
  // ALBERT and ELECTRA normalise before they widen, DeBERTa after.
  if (config_.embedding_norm) parts.norm = norm(names_.embedding_norm, width);
  if (width != config_.hidden_size || config_.always_projects_embeddings) {
    parts.projection = linear({names_.embedding_projection}, {config_.hidden_size}, width, true,
                              {.type = type_, .calibration = calibration_});
  }
  return EmbeddingLayer(std::move(parts));
}

std::vector<PositionBias> EncoderBuilder::position_bias() const {
  const RelativeBuckets& buckets = config_.relative_buckets;
  std::vector<PositionBias> biases;
  if (config_.alibi) biases.push_back(alibi_bias(config_.num_heads, lengths_.max_tokens));
  if (buckets.num_buckets == 0) return biases;
  const std::int64_t tables = config_.bias_per_layer ? config_.num_layers : 1;
  for (std::int64_t layer = 0; layer < tables; ++layer) {
    const std::string name = name_of(names_.relative_bias, layer) + ".weight";
    const auto table = loader_.matrix(name, buckets.rows(), config_.num_heads);
    biases.push_back(
        bucketed_bias(ConstMatrixView(table.data(), buckets.rows(), config_.num_heads), buckets, lengths_.max_tokens));
  }
  return biases;
}

RotaryTable EncoderBuilder::rotary(bool local) const {
  RotaryConfig rotary = local && config_.local_rotary ? *config_.local_rotary : config_.rotary;
  if (rotary.base == 0) return {};
  const std::int64_t dim = config_.heads_of(local).width;
  const std::int64_t trained = lengths_.trained(config_);
  const RotaryConfig as_trained = rotary;
  if (changes_rotary_base(lengths_.extension)) {
    rotary.base = ntk_base(rotary.base, dim, lengths_.max_tokens, trained);
  }
  RotaryTable table(rotary, dim, plan_);
  if (keeps_short_texts()) table.set_short_texts({as_trained, dim, trained_plan()});
  return table;
}

/// Whether texts within the trained positions keep them while longer ones do not.
bool EncoderBuilder::keeps_short_texts() const {
  return internal::keeps_short_texts(lengths_.extension) && lengths_.max_tokens > lengths_.trained(config_);
}

PositionPlan EncoderBuilder::trained_plan() const {
  const std::int64_t trained = lengths_.trained(config_);
  return make_position_plan(PositionExtension::none, trained, trained);
}

/// Of what `read` makes of `tensors`; where the layer is prepared, they are only checked.
Linear EncoderBuilder::make_linear(const std::string& name, const std::vector<NamedShape>& tensors, std::int64_t out,
                                   std::int64_t in, Linear::Options options, const ReadWeights& read) const {
  if (options.type == ComputeType::int8 && prepared_ != nullptr) {
    for (const NamedShape& tensor : tensors) loader_.pass_over(tensor.name, tensor.shape);
    options.prepared = &prepared_->find(name, out, in);
    return {ConstMatrixView(nullptr, out, in), {}, options};
  }
  options.name = name;
  const LinearWeights weights = read();
  return {ConstMatrixView(weights.weight.data(), out, in), weights.bias, options};
}

Linear EncoderBuilder::linear(const std::vector<std::string>& stems, const std::vector<std::int64_t>& outs,
                              std::int64_t in, bool bias, const Linear::Options& options) const {
  const std::int64_t total = std::accumulate(outs.begin(), outs.end(), std::int64_t{0});
  std::vector<NamedShape> tensors;
  for (std::size_t part = 0; part < stems.size(); ++part) {
    tensors.push_back({stems[part] + ".weight", {outs[part], in}});
    if (bias) tensors.push_back({stems[part] + ".bias", {outs[part]}});
  }
  return make_linear(fmt::format("{}", fmt::join(stems, "+")), tensors, total, in, options, [&] {
    LinearWeights weights{AlignedBuffer<float>(static_cast<std::size_t>(total * in))};
    std::int64_t out = 0;
    for (std::size_t part = 0; part < stems.size(); ++part) {
      loader_.read_matrix(stems[part] + ".weight", outs[part], in, weights.weight.data() + out * in);
      out += outs[part];
      if (!bias) continue;
      const auto part_bias = loader_.vector(stems[part] + ".bias", outs[part]);
      weights.bias.insert(weights.bias.end(), part_bias.begin(), part_bias.end());
    }
    return weights;
  });
}

Linear EncoderBuilder::qkv(std::int64_t group, bool local, bool rotates) const {
  const HeadSizes heads = config_.heads_of(local);
  const std::int64_t width = config_.num_heads * heads.width;
  const std::int64_t kv_width = heads.kv_heads * heads.width;
  // Nothing reads queries, keys and values but the attention itself.
  const bool untouched = !rotates && !config_.qk_norm && !config_.value_norm && !config_.disentangled.enabled;
  const Linear::Options options = {
      .type = type_,
      .bfloat16_output = untouched && supports_bf16_activations(type_) && supports_bf16_attention(heads.width),
      .calibration = calibration_};
  if (!names_.qkv.empty()) {
    return linear({name_of(names_.qkv, group)}, {width + 2 * kv_width}, config_.hidden_size, config_.qkv_bias, options);
  }
  return linear({name_of(names_.query, group), name_of(names_.key, group), name_of(names_.value, group)},
                {width, kv_width, kv_width}, config_.hidden_size, config_.qkv_bias, options);
}

SelfAttention EncoderBuilder::attention(std::int64_t group, bool local, const RotaryTable* rotary) const {
  const auto [head_dim, kv_heads] = config_.heads_of(local);
  const bool accumulate = config_.norm_placement != NormPlacement::sandwich;
  AttentionShape shape;
  shape.num_heads = config_.num_heads;
  shape.num_kv_heads = kv_heads;
  shape.head_dim = head_dim;
  const int terms =
      1 + (config_.disentangled.content_to_position ? 1 : 0) + (config_.disentangled.position_to_content ? 1 : 0);
  shape.qk_scale = config_.qk_scale > 0 ? static_cast<float>(config_.qk_scale)
                                        : 1.0F / std::sqrt(static_cast<float>(head_dim * terms));
  if (local) {
    shape.window_left = config_.window.left;
    shape.window_right = config_.window.right;
  }
  if (config_.causal) shape.window_right = 0;
  shape.bfloat16 = type_ != ComputeType::float32;
  SelfAttention::Parts parts{
      .shape = shape,
      .qkv = qkv(group, local, rotary != nullptr),
      .output = linear({name_of(names_.attention_output, group)}, {config_.hidden_size}, config_.num_heads * head_dim,
                       config_.output_bias, {.accumulate = accumulate, .type = type_, .calibration = calibration_})};
  if (config_.qk_norm) {
    parts.query_norm = norm(name_of(names_.query_norm, group), head_dim);
    parts.key_norm = norm(name_of(names_.key_norm, group), head_dim);
  }
  if (config_.value_norm) {
    parts.value_norm = {.kind = NormKind::rms,
                        .gain = std::vector<float>(static_cast<std::size_t>(head_dim), 1.0F),
                        .eps = static_cast<float>(config_.norm_eps)};
  }
  parts.rotary = rotary;
  if (config_.disentangled.enabled) parts.logit_bias = disentangled(group);
  return SelfAttention(std::move(parts));
}

/// a = −exp(A_log): [heads].
std::vector<float> EncoderBuilder::decay(std::int64_t group) const {
  const std::string name = name_of(names_.state_decay, group);
  std::vector<float> values = loader_.vector(name, config_.num_heads);
  for (float& value : values) {
    const float a = -std::exp(value);
    if (!std::isfinite(a))
      fail(ErrorCode::invalid_file, "{}: {} is beyond what exp can take", loader_.place(name), value);
    value = a;
  }
  return values;
}

StateSpaceLayer EncoderBuilder::state_space(std::int64_t group) const {
  const StateSpaceConfig& config = config_.state_space;
  const StateSpaceShape shape{.num_heads = config_.num_heads,
                              .head_dim = config_.head_dim,
                              .state_size = config.state_size,
                              .num_groups = config.num_groups,
                              .kernel = config.conv_kernel,
                              .min_step = static_cast<float>(config.min_step),
                              .max_step = static_cast<float>(config.max_step)};
  const std::int64_t channels = shape.channels();
  const std::string convolution = name_of(names_.state_convolution, group);
  const auto stored = loader_.convolution(convolution + ".weight", channels, 1, shape.kernel);
  std::vector<float> transposed(static_cast<std::size_t>(channels * shape.kernel));
  for (std::int64_t channel = 0; channel < channels; ++channel) {
    for (std::int64_t k = 0; k < shape.kernel; ++k) {
      transposed[static_cast<std::size_t>(k * channels + channel)] = stored.data()[channel * shape.kernel + k];
    }
  }
  const Norm gated = norm(name_of(names_.state_norm, group), shape.width());
  std::vector<Norm> gated_norms;
  const auto group_width = static_cast<std::ptrdiff_t>(shape.width() / shape.num_groups);
  for (auto gain = gated.gain.begin(); gain != gated.gain.end(); gain += group_width) {
    gated_norms.push_back({.kind = gated.kind, .gain = {gain, gain + group_width}, .eps = gated.eps});
  }
  const Linear::Options options = linear_options();
  Linear::Options residual = options;
  residual.accumulate = true;
  return StateSpaceLayer(
      {.shape = shape,
       .norm = norm(name_of(names_.attention_norm, group), config_.hidden_size),
       .input = linear({name_of(names_.state_input, group)}, {shape.projected()}, config_.hidden_size,
                       config.projection_bias, options),
       .convolution = std::move(transposed),
       .convolution_bias = config.conv_bias ? loader_.vector(convolution + ".bias", channels) : std::vector<float>(),
       .step_bias = loader_.vector(name_of(names_.state_step_bias, group), shape.num_heads),
       .decay = decay(group),
       .skip = loader_.vector(name_of(names_.state_skip, group), shape.num_heads),
       .gated_norms = std::move(gated_norms),
       .output = linear({name_of(names_.state_output, group)}, {config_.hidden_size}, shape.width(),
                        config.projection_bias, residual)});
}

AnyLayer EncoderBuilder::layer(std::int64_t group, bool local, const RotaryTable* rotary) const {
  if (config_.state_space.enabled) return state_space(group);
  const auto result = [group](const std::string& stem) { return stem.empty() ? stem : name_of(stem, group); };
  BlockNorms attention_norms;
  if (group > 0 || config_.first_attention_norm) {
    attention_norms = block_norms(name_of(names_.attention_norm, group), result(names_.attention_result_norm));
  }
  const auto any_feed_forward = [&]() -> AnyFeedForward {
    if (config_.has_experts(group)) return mixture(group);
    return feed_forward(group);
  };
  EncoderLayer::Parts parts{
      attention(group, local, rotary), std::move(attention_norms), any_feed_forward(),
      block_norms(name_of(names_.feed_forward_norm, group), result(names_.feed_forward_result_norm))};
  if (config_.per_layer_width > 0) parts.per_layer_input.emplace(per_layer_input(group));
  if (config_.layer_scale) parts.scale = loader_.vector(name_of(names_.layer_scale, group), 1).front();
  return EncoderLayer(std::move(parts));
}

std::int64_t EncoderBuilder::position_span() const {
  const DisentangledConfig& relative = config_.disentangled;
  return relative.buckets > 0 ? relative.buckets : relative.max_relative;
}

std::vector<float> EncoderBuilder::relative_table() const {
  const std::int64_t rows = 2 * position_span();
  const auto stored = loader_.matrix(names_.relative_embeddings + ".weight", rows, config_.hidden_size);
  std::vector<float> table(stored.data(), stored.data() + rows * config_.hidden_size);
  if (config_.disentangled.normalize_embeddings) {
    const MatrixView view(table.data(), rows, config_.hidden_size);
    Workspace workspace;
    norm(names_.relative_embeddings_norm, config_.hidden_size).run(Execution(workspace), view, view);
  }
  return table;
}

/// The table of relative positions through one of the layer's projections: [2 · span, num_heads · head_dim].
std::vector<float> EncoderBuilder::project_positions(const std::string& stem, const std::vector<float>& table) const {
  const std::int64_t width = config_.num_heads * config_.head_width();
  const std::int64_t rows = 2 * position_span();
  const Linear projection = linear({stem}, {width}, config_.hidden_size, true, {});
  std::vector<float> projected(static_cast<std::size_t>(rows * width));
  Workspace workspace;
  projection.run(Execution(workspace), ConstMatrixView(table.data(), rows, config_.hidden_size),
                 MatrixView(projected.data(), rows, width));
  return projected;
}

std::shared_ptr<const LogitBiasSource> EncoderBuilder::disentangled(std::int64_t group) const {
  const DisentangledConfig& relative = config_.disentangled;
  const auto table = relative_table();
  const std::int64_t width = config_.num_heads * config_.head_width();
  std::vector<float> keys;
  std::vector<float> queries;
  if (relative.content_to_position) {
    keys = project_positions(name_of(relative.share_key ? names_.key : names_.position_key, group), table);
  }
  if (relative.position_to_content) {
    queries = project_positions(name_of(relative.share_key ? names_.query : names_.position_query, group), table);
  }
  const int terms = 1 + (relative.content_to_position ? 1 : 0) + (relative.position_to_content ? 1 : 0);
  const auto rows = [width](const std::vector<float>& values) {
    return ConstMatrixView(values.data(), static_cast<std::int64_t>(values.size()) / width, width);
  };
  return std::make_shared<DisentangledBias>(
      DisentangledBias::Parts{.positions = {position_span(), relative.buckets, relative.max_relative},
                              .num_heads = config_.num_heads,
                              .head_dim = config_.head_width(),
                              .scale = 1.0F / std::sqrt(static_cast<float>(config_.head_width() * terms)),
                              .position_keys = rows(keys),
                              .position_queries = rows(queries)});
}

}  // namespace treble::internal
