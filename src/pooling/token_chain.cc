#include "pooling/token_chain.h"

#include <algorithm>
#include <utility>

#include "base/fail_about.h"
#include "pooling/normalize.h"
#include "tensor/aligned_buffer.h"

namespace treble::internal {

TokenChain TokenChain::load(const std::filesystem::path& model_folder, std::int64_t hidden_size) {
  const std::filesystem::path path = model_folder / "modules.json";
  const auto entries = about_file(path, [&] { return parse_token_modules(parse_json_file(path), path.string()); });
  TokenChain chain(hidden_size);
  for (std::size_t i = 1; i < entries.size(); ++i) chain.add_module(entries[i], model_folder / entries[i].path);
  return chain;
}

TokenChain TokenChain::of_linear(std::int64_t hidden_size, std::int64_t dim, std::span<const float> weight,
                                 std::span<const float> bias) {
  TokenChain chain(hidden_size);
  DenseConfig config;
  config.in_features = hidden_size;
  config.out_features = dim;
  config.bias = !bias.empty();
  config.activation = Activation::identity;
  chain.add_dense(Dense(config, weight, bias));
  return chain;
}

void TokenChain::add_dense(Dense dense) {
  const DenseConfig& config = dense.config();
  descriptions_.push_back(fmt::format("Dense of each token: {} to {} dimensions, {}{}{}", config.in_features,
                                      config.out_features, activation_name(config.activation),
                                      config.bias ? "" : ", no bias", config.use_residual ? ", residual" : ""));
  dim_ = config.out_features;
  steps_.emplace_back(std::move(dense));
}

void TokenChain::add_module(const ModuleEntry& entry, const std::filesystem::path& folder) {
  const std::filesystem::path config = folder / "config.json";
  if (entry.kind == ModuleKind::dropout) {
    descriptions_.emplace_back("Dropout: nothing to do outside training");
  } else if (entry.kind == ModuleKind::normalize) {
    note_unused(folder, read_normalize_config(JsonObject::from_file(config), VectorsOf::tokens));
    normalize();
  } else if (entry.kind == ModuleKind::multi_vector_mask) {
    if (mask_) fail_file(config, ErrorCode::unsupported, "a second MultiVectorMask; Treble has one a model");
    mask_ = parse_multi_vector_mask_config(JsonObject::from_file(config));
    note_unused(folder, mask_->unused_keys);
  } else {
    Dense dense = Dense::load(folder, VectorsOf::tokens);
    if (dense.config().in_features != dim_) {
      fail_file(config, ErrorCode::invalid_file,
                "the module takes vectors of {} dimensions, the module before it gives {}", dense.config().in_features,
                dim_);
    }
    note_unused(folder, dense.config().unused_keys);
    add_dense(std::move(dense));
  }
}

void TokenChain::normalize() {
  if (!steps_.empty() && std::holds_alternative<Normalize>(steps_.back())) return;
  steps_.emplace_back(Normalize{});
  descriptions_.emplace_back("Normalize of each token");
}

void TokenChain::note_unused(const std::filesystem::path& folder, const std::vector<std::string>& keys) {
  for (const std::string& key : keys) {
    warnings_.push_back(
        fmt::format("{}: \"{:.60}\" is not used: nothing is known of it", (folder / "config.json").string(), key));
  }
}

void TokenChain::run(const Execution& execution, ConstMatrixView rows, MatrixView out) const {
  if (rows.cols != hidden_size_ || out.cols != dim_ || out.rows != rows.rows) {
    fail(ErrorCode::internal, "vectors of tokens: hidden states [{}, {}], the output is [{}, {}] for [{}, {}]",
         rows.rows, rows.cols, out.rows, out.cols, rows.rows, dim_);
  }
  if (rows.rows == 0) return;
  AlignedBuffer<float> current;
  AlignedBuffer<float> next;
  const auto view = [&rows](AlignedBuffer<float>& buffer, std::int64_t cols) {
    return MatrixView(buffer.ensure(static_cast<std::size_t>(rows.rows * cols)), rows.rows, cols);
  };
  MatrixView x = view(current, rows.cols);
  for (std::int64_t row = 0; row < rows.rows; ++row) std::copy_n(rows.row(row), rows.cols, x.row(row));
  for (const Step& step : steps_) {
    if (const auto* dense = std::get_if<Dense>(&step)) {
      const MatrixView y = view(next, dense->config().out_features);
      dense->run(execution, x, y);
      std::swap(current, next);
      x = y;
    } else {
      for (std::int64_t row = 0; row < x.rows; ++row) l2_normalize(x.row_span(row));
    }
  }
  for (std::int64_t row = 0; row < rows.rows; ++row) std::copy_n(x.row(row), dim_, out.row(row));
}

}  // namespace treble::internal
