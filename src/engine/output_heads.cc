#include "engine/output_heads.h"

#include "base/fail.h"
#include "engine/sparse_loading.h"
#include "models/masked_lm_head.h"

namespace treble::internal {

namespace {

/// What gives an output, for messages.
const char* giver_of(OutputKind kind) {
  switch (kind) {
    case OutputKind::dense: break;
    case OutputKind::sparse: return "encode_sparse (treble embed --output-kind sparse)";
    case OutputKind::multi_vector: return "encode_multi (treble embed --output-kind multi-vector)";
  }
  return "SentenceEncoder::encode (treble embed)";
}

}  // namespace

bool OutputHeads::has(OutputKind kind) const noexcept {
  switch (kind) {
    case OutputKind::dense: return dense;
    case OutputKind::sparse: return sparse != nullptr;
    case OutputKind::multi_vector: return multi_vector != nullptr;
  }
  return false;
}

std::vector<OutputKind> OutputHeads::kinds() const {
  std::vector<OutputKind> kinds;
  for (const OutputKind kind : {OutputKind::dense, OutputKind::sparse, OutputKind::multi_vector}) {
    if (has(kind)) kinds.push_back(kind);
  }
  return kinds;
}

void OutputHeads::require(OutputKind kind, const std::string& model) const {
  if (has(kind)) return;
  std::string others;
  for (const OutputKind other : kinds()) {
    others += fmt::format("{}{} vectors, by {}", others.empty() ? "" : ", and ", to_string(other), giver_of(other));
  }
  fail(ErrorCode::unsupported, "{} has no {} output; it gives {}", model, to_string(kind), others);
}

std::vector<std::string> OutputHeads::descriptions() const {
  std::vector<std::string> lines;
  if (sparse) lines = sparse->descriptions();
  if (queries) lines.emplace_back("Queries: SparseStaticEmbedding, a weight for each token, without the layers");
  if (multi_vector) {
    const auto more = multi_vector->descriptions();
    lines.insert(lines.end(), more.begin(), more.end());
  }
  return lines;
}

OutputHeads load_output_heads(const ModelSettings& settings, const LoadedParts& loaded, ComputeType type) {
  OutputHeads heads;
  if (settings.purpose != ModelPurpose::vectors) return heads;
  if (settings.multi_vector) {
    heads.dense = false;
    heads.multi_vector = MultiVectorHead::load(settings, loaded.encoder, loaded.tokenizer);
    return heads;
  }
  if (!settings.parts.is_static) heads.multi_vector = MultiVectorHead::load_beside(settings.parts, loaded.encoder);
  const SparseSettings& sparse = settings.sparse;
  heads.max_active_dims = sparse.max_active_dims;
  const auto load = [weights = settings.parts.weights, splade = sparse.splade, &encoder = loaded.encoder, type] {
    return load_splade_head(encoder, weights, splade, type);
  };
  switch (sparse.source) {
    case SparseSettings::Source::none: break;
    case SparseSettings::Source::splade_modules:
      heads.dense = false;
      heads.sparse = load();
      if (sparse.queries.empty()) break;
      heads.queries =
          std::make_unique<QueryTable>(QueryTable::load(sparse.queries, settings.parts.folder, heads.sparse->dim()));
      heads.default_role = sparse.default_role;
      break;
    case SparseSettings::Source::masked_lm:
      if (!has_masked_lm_head(loaded.encoder, settings.parts.weights)) break;
      heads.sparse = std::make_unique<LateSparseHead>(load, loaded.encoder.config().vocab_size);
      break;
    case SparseSettings::Source::token_weights: heads.sparse = load_token_weight_head(settings.parts, loaded); break;
  }
  return heads;
}

}  // namespace treble::internal
