#include "pooling/module_chain.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <functional>
#include <system_error>
#include <utility>
#include <variant>

#include "base/fail_about.h"
#include "base/file_presence.h"
#include "base/json_file.h"
#include "kernels/row_ops.h"
#include "pooling/dense.h"
#include "pooling/module_config.h"
#include "pooling/module_weights.h"
#include "pooling/normalize.h"
#include "pooling/pooling.h"
#include "tensor/aligned_buffer.h"

namespace treble::internal {

namespace {

namespace fs = std::filesystem;

/// A LayerNorm module (torch.nn.LayerNorm with its default epsilon), or the norm of a head.
struct VectorNorm {
  std::vector<float> gain;
  std::vector<float> bias;
  float eps = 1e-5F;
};

/// A Normalize module that others follow. The last one is the chain's `normalizes`, so that a call can leave it out.
struct MiddleNormalize {};

using Step = std::variant<Dense, VectorNorm, MiddleNormalize>;

void normalize_rows(MatrixView x) {
  for (std::int64_t row = 0; row < x.rows; ++row) l2_normalize(x.row_span(row));
}

VectorNorm load_vector_norm(const fs::path& folder) {
  const std::int64_t width = parse_layer_norm_config(JsonObject::from_file(folder / "config.json"));
  ModuleWeights weights(folder);
  VectorNorm norm{weights.take("norm.weight", {width}), weights.take("norm.bias", {width})};
  weights.check_all_taken();
  return norm;
}

std::vector<std::string> load_normalize(const fs::path& folder) {
  // Older releases write no config, and git keeps no empty folder.
  const fs::path config = folder / "config.json";
  return is_there(config) ? read_normalize_config(JsonObject::from_file(config)) : std::vector<std::string>();
}

/// What sentence-transformers pools a folder without modules.json by: the mean, but for models made to predict the next
/// token (and still masked that way) the last token.
PoolingMode default_mode(const fs::path& model_folder) {
  const fs::path path = model_folder / "config.json";
  if (!is_there(path)) return PoolingMode::mean;
  const JsonObject config = JsonObject::from_file(path);
  const auto architectures = config.value().find("architectures");
  if (architectures == config.value().end() || !architectures->is_array() || architectures->empty()) {
    return PoolingMode::mean;
  }
  const auto& first = architectures->front();
  const bool next_token = first.is_string() && first.get_ref<const std::string&>().ends_with("ForCausalLM");
  return next_token && config.boolean("is_causal").value_or(true) ? PoolingMode::last_token : PoolingMode::mean;
}

/// Subfolders called as sentence-transformers calls those of modules: 1_Pooling, 2_Dense; sorted.
std::vector<std::string> module_folders(const fs::path& model_folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(model_folder, error)) {
    const std::string name = entry.path().filename().string();
    const auto digits = name.find_first_not_of("0123456789");
    if (digits == 0 || digits == std::string::npos || name[digits] != '_' || !entry.is_directory(error)) continue;
    names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

/// sentence-transformers leaves such folders unread without modules.json. That is followed where it makes no
/// difference.
void check_module_folders(const fs::path& model_folder, std::int64_t hidden_size, const PoolingConfig& pooling) {
  const auto folders = module_folders(model_folder);
  if (folders.empty()) return;
  const fs::path config = model_folder / folders.front() / "config.json";
  if (folders.size() == 1 && folders.front().ends_with("_Pooling") && is_there(config)) {
    const PoolingConfig stated = parse_pooling_config(JsonObject::from_file(config), hidden_size);
    if (stated.modes == pooling.modes && stated.include_prompt) return;
  }
  fail_file(model_folder / "modules.json", ErrorCode::not_found,
            "not there, but {} says that more than {} pooling follows; sentence-transformers would not read it, so the "
            "vectors would not be the model's: fetch modules.json too, or remove what does not belong to the model",
            fmt::join(folders, ", "), to_string(pooling.modes));
}

std::optional<std::int64_t> read_truncate_dim(const fs::path& model_folder) {
  const fs::path path = model_folder / "config_sentence_transformers.json";
  if (!is_there(path)) return std::nullopt;
  const auto dimensions = JsonObject::from_file(path).integer("truncate_dim");
  if (dimensions && *dimensions < 1) {
    fail_file(path, ErrorCode::invalid_file, "\"truncate_dim\" is {}, must be at least 1", *dimensions);
  }
  return dimensions;
}

}  // namespace

struct ModuleChain::Impl {
  std::int64_t hidden_size = 0;
  PoolingConfig pooling;
  std::vector<Step> steps;
  std::int64_t full_width = 0;
  bool normalizes = false;
  std::optional<std::int64_t> default_dimensions;
  std::vector<std::string> descriptions;
  std::vector<std::string> warnings;

  void load(const fs::path& model_folder, bool is_static);
  void load_plain(const fs::path& model_folder, bool is_static);
  void add_static_embedding();
  void add_transformer(const std::vector<ModuleEntry>& entries, const fs::path& model_folder);
  void add_pooling(PoolingConfig config);
  void add_module(const ModuleEntry& entry, const fs::path& folder);
  void add_layer(const ChainLayer& layer, bool last);
  void expect_width(const fs::path& folder, std::int64_t width) const;
  void note_unused(const fs::path& folder, const std::vector<std::string>& keys);
  std::int64_t width_in(const ModuleChainOptions& options) const;
  /// Fills a matrix of pooled rows.
  using Pool = std::function<void(MatrixView)>;
  void run_steps(const Execution& execution, const Pool& pool_rows, MatrixView out) const;
};

void ModuleChain::Impl::load(const fs::path& model_folder, bool is_static) {
  const fs::path path = model_folder / "modules.json";
  if (!is_there(path)) return load_plain(model_folder, is_static);
  const auto entries = about_file(path, [&] { return parse_modules(parse_json_file(path), path.string()); });
  const bool has_pooling = entries.front().kind == ModuleKind::transformer;
  if (!fs::is_directory(model_folder / entries[0].path)) {
    fail_file(path, ErrorCode::not_found, "the {}'s folder \"{}\" is missing",
              has_pooling ? "Transformer" : "StaticEmbedding", entries[0].path);
  }
  if (has_pooling) {
    add_transformer(entries, model_folder);
  } else {
    add_static_embedding();
  }
  for (std::size_t i = has_pooling ? 2 : 1; i < entries.size(); ++i) {
    add_module(entries[i], model_folder / entries[i].path);
  }
  if (const auto dimensions = read_truncate_dim(model_folder)) default_dimensions = std::min(*dimensions, full_width);
}

/// A folder without modules.json.
void ModuleChain::Impl::load_plain(const fs::path& model_folder, bool is_static) {
  if (is_static) {
    add_static_embedding();
    normalizes = JsonObject::from_file(model_folder / "config.json").boolean("normalize").value_or(false);
    if (normalizes) descriptions.emplace_back("Normalize");
    return;
  }
  descriptions.emplace_back("Transformer");
  add_pooling({{default_mode(model_folder)}});
  check_module_folders(model_folder, hidden_size, pooling);
}

void ModuleChain::Impl::add_static_embedding() {
  pooling = {{PoolingMode::mean}};
  full_width = hidden_size;
  descriptions.push_back(fmt::format("StaticEmbedding: the mean of the tokens' embeddings, {} dimensions", full_width));
}

void ModuleChain::Impl::add_transformer(const std::vector<ModuleEntry>& entries, const fs::path& model_folder) {
  descriptions.emplace_back("Transformer");
  const fs::path pooling_config = model_folder / entries[1].path / "config.json";
  const auto pooling_json = JsonObject::from_file(pooling_config);
  add_pooling(about_file(pooling_config, [&] { return parse_pooling_config(pooling_json, hidden_size); }));
}

void ModuleChain::Impl::add_pooling(PoolingConfig config) {
  pooling = std::move(config);
  full_width = pooled_width(pooling, hidden_size);
  descriptions.push_back(fmt::format("Pooling: {}, {} dimensions, prompt {}", to_string(pooling.modes), full_width,
                                     pooling.include_prompt ? "included" : "excluded"));
}

void ModuleChain::Impl::add_module(const ModuleEntry& entry, const fs::path& folder) {
  if (entry.kind == ModuleKind::dropout) {
    descriptions.emplace_back("Dropout: nothing to do outside training");
    return;
  }
  if (entry.kind == ModuleKind::normalize) {
    note_unused(folder, load_normalize(folder));
    normalizes = true;
    descriptions.emplace_back("Normalize");
    return;
  }
  // This module stands behind a Normalize seen before, so that one is not the last.
  if (std::exchange(normalizes, false)) steps.emplace_back(MiddleNormalize{});
  if (entry.kind == ModuleKind::layer_norm) {
    VectorNorm norm = load_vector_norm(folder);
    expect_width(folder, static_cast<std::int64_t>(norm.gain.size()));
    descriptions.push_back(fmt::format("LayerNorm: {} dimensions", full_width));
    steps.emplace_back(std::move(norm));
  } else {
    Dense dense = Dense::load(folder);
    const DenseConfig& config = dense.config();
    expect_width(folder, config.in_features);
    note_unused(folder, config.unused_keys);
    full_width = config.out_features;
    descriptions.push_back(fmt::format("Dense: {} to {} dimensions, {}{}{}", config.in_features, config.out_features,
                                       activation_name(config.activation), config.bias ? "" : ", no bias",
                                       config.use_residual ? ", residual" : ""));
    steps.emplace_back(std::move(dense));
  }
}

void ModuleChain::Impl::add_layer(const ChainLayer& layer, bool last) {
  DenseConfig config;
  config.in_features = layer.in;
  config.out_features = layer.out;
  config.bias = !layer.bias.empty();
  config.activation = layer.activation;
  steps.emplace_back(std::in_place_type<Dense>, config, layer.weight, layer.bias);
  if (!layer.norm_gain.empty()) steps.emplace_back(VectorNorm{layer.norm_gain, layer.norm_bias, layer.norm_eps});
  full_width = layer.out;
  descriptions.push_back(fmt::format("{}: {} to {} {}, {}{}{}", last ? "Classifier" : "Dense", layer.in, layer.out,
                                     last ? "logits" : "dimensions", activation_name(layer.activation),
                                     config.bias ? "" : ", no bias", layer.norm_gain.empty() ? "" : ", layer norm"));
}

void ModuleChain::Impl::note_unused(const fs::path& folder, const std::vector<std::string>& keys) {
  for (const std::string& key : keys) {
    warnings.push_back(
        fmt::format("{}: \"{:.60}\" is not used: nothing is known of it", (folder / "config.json").string(), key));
  }
}

void ModuleChain::Impl::expect_width(const fs::path& folder, std::int64_t width) const {
  if (width != full_width) {
    fail_file(folder / "config.json", ErrorCode::invalid_file,
              "the module takes vectors of {} dimensions, the module before it gives {}", width, full_width);
  }
}

std::int64_t ModuleChain::Impl::width_in(const ModuleChainOptions& options) const {
  if (!options.dimensions) return default_dimensions.value_or(full_width);
  if (*options.dimensions < 1 || *options.dimensions > full_width) {
    fail(ErrorCode::invalid_argument, "dimensions is {}, the model's vectors have {}; choose from 1 to {}",
         *options.dimensions, full_width, full_width);
  }
  return *options.dimensions;
}

/// Pools, and applies the steps.
void ModuleChain::Impl::run_steps(const Execution& execution, const Pool& pool_rows, MatrixView out) const {
  if (steps.empty()) return pool_rows(out);
  const std::int64_t rows = out.rows;
  AlignedBuffer<float> current;
  AlignedBuffer<float> next;
  const auto view = [rows](AlignedBuffer<float>& buffer, std::int64_t cols) {
    return MatrixView(buffer.ensure(static_cast<std::size_t>(rows * cols)), rows, cols);
  };
  MatrixView x = view(current, pooled_width(pooling, hidden_size));
  pool_rows(x);
  for (const Step& step : steps) {
    if (const auto* dense = std::get_if<Dense>(&step)) {
      const MatrixView y = view(next, dense->config().out_features);
      dense->run(execution, x, y);
      std::swap(current, next);
      x = y;
    } else if (const auto* norm = std::get_if<VectorNorm>(&step)) {
      layer_norm(execution, norm->gain, norm->bias, norm->eps, x, x);
    } else {
      normalize_rows(x);
    }
  }
  for (std::int64_t row = 0; row < rows; ++row) std::copy_n(x.row(row), out.cols, out.row(row));
}

ModuleChain ModuleChain::load(const fs::path& model_folder, std::int64_t hidden_size, bool is_static) {
  auto impl = std::make_unique<Impl>();
  impl->hidden_size = hidden_size;
  impl->load(model_folder, is_static);
  return ModuleChain(std::move(impl));
}

ModuleChain ModuleChain::of_head(PoolingMode pooling, std::int64_t hidden_size, std::span<const ChainLayer> layers) {
  auto impl = std::make_unique<Impl>();
  impl->hidden_size = hidden_size;
  impl->descriptions.emplace_back("Transformer");
  impl->add_pooling({{pooling}});
  for (std::size_t i = 0; i < layers.size(); ++i) impl->add_layer(layers[i], i + 1 == layers.size());
  return ModuleChain(std::move(impl));
}

std::int64_t ModuleChain::output_dim(const ModuleChainOptions& options) const { return impl_->width_in(options); }

std::int64_t ModuleChain::full_width() const noexcept { return impl_->full_width; }

void ModuleChain::run(const Execution& execution, const PackedBatch& batch, ConstMatrixView hidden,
                      MatrixView out) const {
  const std::int64_t width = impl_->full_width;
  const std::int64_t count = std::max<std::int64_t>(batch.num_sequences(), 0);
  if (hidden.cols != impl_->hidden_size || out.cols != width || out.rows != count) {
    fail(ErrorCode::internal, "pooling {} texts: hidden states are {} wide for {}, the output is {} x {} for {} x {}",
         count, hidden.cols, impl_->hidden_size, out.rows, out.cols, count, width);
  }
  if (count == 0) return;
  impl_->run_steps(execution, [&](MatrixView pooled) { pool(execution, impl_->pooling, batch, hidden, pooled); }, out);
}

TextPool ModuleChain::start_text(std::int64_t length, std::int64_t prompt_tokens) const {
  return {impl_->pooling, impl_->hidden_size, length, prompt_tokens};
}

void ModuleChain::run(const Execution& execution, const TextPool& text, std::span<float> out) const {
  impl_->run_steps(
      execution, [&](MatrixView pooled) { text.write(pooled.row_span(0)); },
      MatrixView(out.data(), 1, impl_->full_width));
}

void ModuleChain::pool_only(const Execution& execution, const PackedBatch& batch, ConstMatrixView hidden,
                            MatrixView out) const {
  pool(execution, impl_->pooling, batch, hidden, out);
}

std::int64_t ModuleChain::pooling_width() const noexcept { return pooled_width(impl_->pooling, impl_->hidden_size); }

void ModuleChain::finish(std::span<const float> row, const ModuleChainOptions& options, std::span<float> vector) const {
  const auto width = static_cast<std::size_t>(impl_->width_in(options));
  if (row.size() != static_cast<std::size_t>(impl_->full_width) || vector.size() != width) {
    fail(ErrorCode::internal, "a pooled row of {} for a vector of {} numbers, it should be {} for {}", row.size(),
         vector.size(), impl_->full_width, width);
  }
  std::copy_n(row.begin(), width, vector.begin());
  // After the cut, which takes length away: normalising before it too would change nothing.
  if (options.normalize.value_or(impl_->normalizes)) l2_normalize(vector);
}

std::optional<PoolingMode> ModuleChain::pooled_token() const {
  const PoolingConfig& pooling = impl_->pooling;
  const PoolingMode mode = pooling.modes.front();
  const bool one = mode == PoolingMode::cls || mode == PoolingMode::last_token;
  return one && pooling.modes.size() == 1 && pooling.include_prompt ? std::optional(mode) : std::nullopt;
}

bool ModuleChain::normalizes() const noexcept { return impl_->normalizes; }

const std::vector<PoolingMode>& ModuleChain::pooling_modes() const noexcept { return impl_->pooling.modes; }

std::vector<std::string> ModuleChain::descriptions() const { return impl_->descriptions; }

std::vector<std::string> ModuleChain::warnings() const { return impl_->warnings; }

std::optional<std::int64_t> ModuleChain::default_dimensions() const noexcept { return impl_->default_dimensions; }

ModuleChain::ModuleChain(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ModuleChain::ModuleChain(ModuleChain&&) noexcept = default;
ModuleChain& ModuleChain::operator=(ModuleChain&&) noexcept = default;
ModuleChain::~ModuleChain() = default;

}  // namespace treble::internal
