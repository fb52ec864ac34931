// Sparse vectors, as text-embeddings-inference gives them.
#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "api/embed_work.h"
#include "treble/outputs.h"
#include "treble/sparse.h"

namespace treble::server {

namespace {

/// [[{"index":7,"value":0.5}, …], …]
std::string sparse_json(const SparseVectors& sparse) {
  std::string json = "[";
  for (std::int64_t text = 0; text < sparse.count; ++text) {
    const SparseRow row = sparse.row(text);
    json += text == 0 ? "[" : ",[";
    for (std::size_t i = 0; i < row.indices.size(); ++i) {
      json += fmt::format(R"({}{{"index":{},"value":{}}})", i == 0 ? "" : ",", row.indices[i], row.values[i]);
    }
    json += ']';
  }
  return json + ']';
}

/// Throws ApiError{model_not_found}, and ApiError{unsupported} for a model without a sparse output.
ServedModel& sparse_model(const Api& api, const JsonBody& body) {
  ServedModel& model = api.model(body.text("model"));
  const auto& outputs = model.encoder().info().outputs;
  const bool sparse = std::find(outputs.begin(), outputs.end(), OutputKind::sparse) != outputs.end();
  if (model.reranker() == nullptr && sparse) return model;
  throw ApiError("unsupported",
                 fmt::format("this needs a model with a sparse output (SPLADE, BGE-M3), and {} {}", model.name(),
                             model.reranker() != nullptr ? "is a cross-encoder; use /rerank or /predict"
                                                         : "has none; /embed gives its dense vectors"));
}

void handle_embed_sparse(Api& api, const std::shared_ptr<Call>& call) {
  const JsonBody body(call->request(), {"inputs", "model", "temperature", "prompt_name", "prompt", "truncate",
                                        "truncation_direction", "max_length", "role", "max_active_dims"});
  ServedModel& model = sparse_model(api, body);
  OutputOptions options;
  options.encode = read_encode_options(body, api, model);
  // Of dense vectors.
  options.encode.normalize.reset();
  options.encode.dimensions.reset();
  if (const auto role = body.text("role")) options.role = parse_text_role(*role);
  options.max_active_dims = body.integer("max_active_dims", 1, std::int64_t{1} << 24);
  constexpr OutputKind kSparse = OutputKind::sparse;
  validate_outputs(model.encoder(), {&kSparse, 1}, options);
  EmbedJob job = {.model = &model, .options = options.encode, .ignored = body.ignored()};
  job.inputs.texts = read_texts(body.require("inputs"), "inputs", api.options().max_client_batch_size);
  job.sparse = {.role = options.role, .max_active_dims = options.max_active_dims, .write = sparse_json};
  embed(api, call, std::move(job));
}

}  // namespace

std::vector<Route> sparse_routes() {
  return {{"POST",
           "/embed_sparse",
           "Weights of the vocabulary's tokens, of SPLADE models and BGE-M3",
           ErrorForm::tei,
           false,
           "SparseRequest",
           "SparseResponse",
           {"empty_input", "batch_too_large", "text_too_long", "model_not_found", "not_found", "overloaded",
            "deadline_exceeded", "unavailable", "unsupported", "non_finite"},
           handle_embed_sparse}};
}

}  // namespace treble::server
