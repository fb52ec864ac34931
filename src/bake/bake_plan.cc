#include "bake/bake_plan.h"

#include <algorithm>
#include <utility>

#include "base/fail.h"

namespace treble::internal {

namespace {

class Planner {
 public:
  Planner(const ModelLayout& layout, const TensorArchive& archive, const LogitScales& scales)
      : config_(layout.config), found_(layout.found), archive_(archive), scales_(scales) {}

  void add_position_bias();
  void add_group(std::int64_t group);
  /// Without those that multiply by 1 alone.
  std::vector<TensorChange> take();

 private:
  std::vector<double> heads_of_group(std::int64_t group) const;
  void add_query_norm(std::int64_t group, const std::vector<double>& heads);
  void add_projection(const std::string& stem, std::int64_t outs, bool bias, const std::vector<double>& rows);
  bool has(const std::string& name) const { return archive_.find(found_.prefix + name) != nullptr; }

  const EncoderConfig& config_;
  const FoundNames& found_;
  const TensorArchive& archive_;
  const LogitScales& scales_;
  std::vector<TensorChange> changes_;
};

std::string stem_of(const std::string& pattern, std::int64_t group) {
  return fmt::format(fmt::runtime(pattern), group);
}

/// A factor for each row of a projection: those of a head's rows are the same.
std::vector<double> repeat_each(const std::vector<double>& heads, std::int64_t times) {
  std::vector<double> rows;
  for (const double scale : heads) rows.insert(rows.end(), static_cast<std::size_t>(times), scale);
  return rows;
}

void Planner::add_position_bias() {
  if (config_.alibi) {
    fail(ErrorCode::invalid_argument,
         "{}: the slopes of ALiBi come from a formula, not from weights, so a temperature that divides them too cannot "
         "be "
         "baked; leave the position bias alone with BakeOptions::temper_position_bias=false (that is a different model "
         "from the "
         "one "
         "that divides it)",
         config_.model_type);
  }
  if (config_.relative_buckets.num_buckets == 0) return;
  if (!config_.bias_per_layer && !scales_.equal_over_layers()) {
    fail(ErrorCode::invalid_argument,
         "{}: all layers share one table of relative position bias, so it cannot be divided by a temperature that "
         "differs from layer to layer; leave it alone with BakeOptions::temper_position_bias=false, or bake one "
         "temperature for "
         "all "
         "layers",
         config_.model_type);
  }
  const std::int64_t rows = config_.relative_buckets.rows();
  const std::int64_t tables = config_.bias_per_layer ? config_.num_layers : 1;
  for (std::int64_t layer = 0; layer < tables; ++layer) {
    changes_.push_back({.name = found_.prefix + stem_of(found_.names.relative_bias, layer) + ".weight",
                        .shape = {rows, config_.num_heads},
                        .rows = std::vector<double>(static_cast<std::size_t>(rows), 1.0),
                        .cols = scales_.of_layer(layer)});
  }
}

/// Layers of a group have the same weights, so they must have the same scales.
std::vector<double> Planner::heads_of_group(std::int64_t group) const {
  const std::vector<double>* heads = nullptr;
  for (std::int64_t layer = 0; layer < config_.num_layers; ++layer) {
    if (config_.group_of(layer) != group) continue;
    const auto& of_layer = scales_.of_layer(layer);
    if (heads != nullptr && *heads != of_layer) {
      fail(
          ErrorCode::invalid_argument,
          "{}: layer {} shares its weights with the layers before it, so it cannot have a temperature of its own; bake "
          "one temperature for all layers of a group ({} groups of {} layers)",
          config_.model_type, layer, config_.layer_groups(), config_.num_layers);
    }
    heads = &of_layer;
  }
  if (heads == nullptr) fail(ErrorCode::internal, "{}: group {} has no layer", config_.model_type, group);
  return *heads;
}

void Planner::add_query_norm(std::int64_t group, const std::vector<double>& heads) {
  const bool equal = std::all_of(heads.begin(), heads.end(), [&](double scale) { return scale == heads.front(); });
  if (!equal) {
    fail(ErrorCode::invalid_argument,
         "{}: the norm of the queries takes away any scale before it, and its gain is one for all heads, so heads "
         "cannot "
         "have temperatures of their own; bake one temperature a layer",
         config_.model_type);
  }
  const std::int64_t size = config_.heads_of(config_.is_local(group)).width;
  const std::string stem = stem_of(found_.names.query_norm, group);
  const std::vector<double> rows(static_cast<std::size_t>(size), heads.front());
  const std::string gain =
      found_.prefix + stem + (!has(stem + ".weight") && has(stem + ".gamma") ? ".gamma" : ".weight");
  changes_.push_back({.name = gain, .shape = {size}, .rows = rows, .plus_one = config_.norm_plus_one});
  if (!config_.norm_bias) return;
  const std::string bias = found_.prefix + stem + (!has(stem + ".bias") && has(stem + ".beta") ? ".beta" : ".bias");
  changes_.push_back({.name = bias, .shape = {size}, .rows = rows});
}

void Planner::add_projection(const std::string& stem, std::int64_t outs, bool bias, const std::vector<double>& rows) {
  changes_.push_back({.name = found_.prefix + stem + ".weight", .shape = {outs, config_.hidden_size}, .rows = rows});
  if (bias) changes_.push_back({.name = found_.prefix + stem + ".bias", .shape = {outs}, .rows = rows});
}

void Planner::add_group(std::int64_t group) {
  const std::vector<double> heads = heads_of_group(group);
  if (config_.qk_norm) {
    add_query_norm(group, heads);
    return;
  }
  const WeightNames& names = found_.names;
  const HeadSizes sizes = config_.heads_of(config_.is_local(group));
  const std::int64_t width = config_.num_heads * sizes.width;
  const auto rows = repeat_each(heads, sizes.width);
  if (names.qkv.empty()) {
    add_projection(stem_of(names.query, group), width, config_.qkv_bias, rows);
  } else {
    add_projection(stem_of(names.qkv, group), width + 2 * sizes.kv_heads * sizes.width, config_.qkv_bias, rows);
  }
  // Content→position is a product with the queries, which are scaled by now. With share_key position→content goes
  // through the same projection; without it, through one of its own.
  const DisentangledConfig& relative = config_.disentangled;
  if (!relative.enabled || !relative.position_to_content || relative.share_key) return;
  const std::string stem = stem_of(names.position_query, group);
  add_projection(stem, width, true, rows);
}

std::vector<TensorChange> Planner::take() {
  const auto all_one = [](const std::vector<double>& factors) {
    return std::all_of(factors.begin(), factors.end(), [](double factor) { return factor == 1.0; });
  };
  std::erase_if(changes_, [&](const TensorChange& change) { return all_one(change.rows) && all_one(change.cols); });
  return std::move(changes_);
}

}  // namespace

std::vector<TensorChange> plan_bake(const ModelLayout& layout, const TensorArchive& archive, const LogitScales& scales,
                                    bool temper_position_bias) {
  Planner planner(layout, archive, scales);
  if (temper_position_bias) planner.add_position_bias();
  for (std::int64_t group = 0; group < layout.config.layer_groups(); ++group) planner.add_group(group);
  return planner.take();
}

}  // namespace treble::internal
