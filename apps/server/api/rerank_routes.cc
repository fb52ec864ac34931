// The routes of cross-encoders, in the forms of TEI and of Cohere and Jina.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <numeric>
#include <utility>

#include "api/api.h"
#include "api/embed_work.h"

namespace treble::server {

namespace {

using OrderedJson = nlohmann::ordered_json;

/// Throws ApiError{model_not_found}, and ApiError{unsupported} for an embedding model.
ServedModel& cross_encoder(const Api& api, const JsonBody& body) {
  ServedModel& model = api.model(body.text("model"));
  if (model.reranker() != nullptr) return model;
  throw ApiError("unsupported",
                 fmt::format("this needs a cross-encoder (a model for sequence classification), and {} is an embedding "
                             "model; serve one, or rank by /similarity or by the vectors of /embed",
                             model.name()));
}

/// The model of a ranking, which has one score.
ServedModel& ranking_model(const Api& api, const JsonBody& body) {
  ServedModel& model = cross_encoder(api, body);
  const std::size_t labels = model.reranker()->labels().size();
  if (labels == 1) return model;
  throw ApiError("unsupported",
                 fmt::format("{} has {} scores a pair, which give no order; use /predict", model.name(), labels));
}

std::vector<std::string_view> with_reading_fields(std::vector<std::string_view> fields) {
  for (const char* field : {"model", "temperature", "prompt_name", "prompt", "truncate", "truncation_direction",
                            "max_length", "raw_scores"}) {
    fields.emplace_back(field);
  }
  return fields;
}

/// The job of a body with those fields; inputs and what writes the answer are missing.
EmbedJob scoring_job(const Api& api, const JsonBody& body, ServedModel& model, const char* field) {
  EmbedJob job = {.model = &model, .field = field, .options = read_encode_options(body, api, model)};
  job.ignored = body.ignored();
  // Of vectors.
  job.options.normalize.reset();
  job.options.dimensions.reset();
  return job;
}

/// As TEI has it: between 0 and 1, whatever the model's own activation is, unless raw logits are asked for.
ScoreActivation activation_of(const JsonBody& body, std::int64_t num_labels) {
  if (body.boolean("raw_scores").value_or(false)) return ScoreActivation::identity;
  return num_labels == 1 ? ScoreActivation::sigmoid : ScoreActivation::softmax;
}

std::string query_of(const JsonBody& body) {
  const Json& query = body.require("query");
  if (!query.is_string()) {
    throw ApiError("invalid_argument", fmt::format("`query` must be a text, not {}", kind_of(query)), "query");
  }
  return read_text(query, "query", 0);
}

std::vector<OwnedTextPair> pairs_of(const std::string& query, std::vector<std::string> texts) {
  std::vector<OwnedTextPair> pairs;
  pairs.reserve(texts.size());
  for (std::string& text : texts) pairs.push_back({query, std::move(text)});
  return pairs;
}

struct Ranked {
  std::int64_t index = 0;
  float score = 0;
};

/// Highest first; of equal scores, the first.
std::vector<Ranked> ranked(const Embeddings& logits, ScoreActivation activation) {
  std::vector<float> scores = logits.values;
  apply(activation, scores, 1);
  std::vector<Ranked> order;
  for (const float score : scores) order.push_back({std::ssize(order), score});
  std::stable_sort(order.begin(), order.end(), [](const Ranked& a, const Ranked& b) { return a.score > b.score; });
  return order;
}

/// The shortest decimal that reads back as the same float32.
OrderedJson shortest_number(float value) { return OrderedJson::parse(fmt::format("{}", value)); }

std::string body_of(const OrderedJson& json) {
  return json.dump(-1, ' ', false, OrderedJson::error_handler_t::replace);
}

void handle_rerank(Api& api, const std::shared_ptr<Call>& call) {
  const JsonBody body(call->request(), with_reading_fields({"query", "texts", "return_text"}));
  EmbedJob job = scoring_job(api, body, ranking_model(api, body), "texts");
  const std::string query = query_of(body);
  auto texts = read_texts(body.require("texts"), "texts", api.options().max_client_batch_size);
  const bool with_text = body.boolean("return_text").value_or(false);
  job.inputs.pairs = pairs_of(query, texts);
  if (!with_text) texts.clear();
  job.write = [activation = activation_of(body, 1), texts = std::move(texts)](const Embeddings& logits) {
    OrderedJson list = OrderedJson::array();
    for (const Ranked& one : ranked(logits, activation)) {
      OrderedJson entry = {{"index", one.index}, {"score", shortest_number(one.score)}};
      if (!texts.empty()) entry["text"] = texts[static_cast<std::size_t>(one.index)];
      list.push_back(std::move(entry));
    }
    return body_of(list);
  };
  embed(api, call, std::move(job));
}

/// A text, or an object with one, as Cohere's clients send them.
std::vector<std::string> read_documents(const Json& value, std::int64_t max_count) {
  if (!value.is_array()) {
    throw ApiError("invalid_argument", fmt::format("`documents` must be a list of texts, not {}", kind_of(value)),
                   "documents");
  }
  check_count(value.size(), "documents", max_count);
  std::vector<std::string> texts;
  for (const Json& document : value) {
    const bool wrapped = document.is_object() && document.contains("text");
    texts.push_back(read_text(wrapped ? document["text"] : document, "documents", std::ssize(texts)));
  }
  return texts;
}

void handle_v1_rerank(Api& api, const std::shared_ptr<Call>& call) {
  const JsonBody body(call->request(), with_reading_fields({"query", "documents", "top_n", "return_documents"}));
  ServedModel& model = ranking_model(api, body);
  EmbedJob job = scoring_job(api, body, model, "documents");
  const std::string query = query_of(body);
  auto texts = read_documents(body.require("documents"), api.options().max_client_batch_size);
  const auto top = body.integer("top_n", 1, std::int64_t{1} << 31);
  job.inputs.pairs = pairs_of(query, texts);
  if (!body.boolean("return_documents").value_or(false)) texts.clear();
  job.write = [activation = activation_of(body, 1), texts = std::move(texts), top,
               name = model.name()](const Embeddings& logits) {
    auto order = ranked(logits, activation);
    if (top && *top < std::ssize(order)) order.resize(static_cast<std::size_t>(*top));
    OrderedJson results = OrderedJson::array();
    for (const Ranked& one : order) {
      OrderedJson entry = {{"index", one.index}, {"relevance_score", shortest_number(one.score)}};
      if (!texts.empty()) entry["document"] = {{"text", texts[static_cast<std::size_t>(one.index)]}};
      results.push_back(std::move(entry));
    }
    RequestRecord counts;
    count_tokens(counts, logits.token_counts);
    return body_of({{"object", "list"},
                    {"model", name},
                    {"results", std::move(results)},
                    {"usage",
                     {{"prompt_tokens", counts.tokens},
                      {"total_tokens", counts.tokens},
                      {"truncated_texts", counts.truncated_texts},
                      {"truncated_tokens", counts.truncated_tokens}}}});
  };
  embed(api, call, std::move(job));
}

/// What /predict was asked: single texts or pairs, alone or as a batch.
struct PredictInputs {
  Inputs inputs;
  bool batch = false;
};

/// TEI's forms: "text"; ["text"] or ["one", "other"], a pair; [["text"], ["one", "other"], …], a batch.
PredictInputs read_predict_inputs(const Json& value, std::int64_t max_count) {
  PredictInputs result;
  if (value.is_string()) {
    result.inputs.texts.push_back(read_text(value, "inputs", 0));
    return result;
  }
  result.batch = value.is_array() && !value.empty() && value.front().is_array();
  if (!value.is_array()) {
    throw ApiError("invalid_argument",
                   fmt::format("`inputs` must be a text, a pair of texts or a list of such, not {}", kind_of(value)),
                   "inputs");
  }
  const Json sequences = result.batch ? value : Json::array({value});
  check_count(result.batch || !value.empty() ? sequences.size() : 0, "inputs", max_count);
  for (const Json& sequence : sequences) {
    const auto index = static_cast<std::int64_t>(result.inputs.size());
    if (!sequence.is_array() || sequence.empty() || sequence.size() > 2) {
      throw ApiError("invalid_argument",
                     fmt::format("`inputs[{}]` must be a list of one text, or of two: a pair", index), "inputs", index);
    }
    if (sequence.size() == 1) {
      result.inputs.texts.push_back(read_text(sequence[0], "inputs", index));
    } else {
      result.inputs.pairs.push_back({read_text(sequence[0], "inputs", index), read_text(sequence[1], "inputs", index)});
    }
  }
  if (!result.inputs.texts.empty() && !result.inputs.pairs.empty()) {
    throw ApiError("invalid_argument", "`inputs` has single texts and pairs; send them in requests of their own",
                   "inputs");
  }
  return result;
}

/// [{score, label}, …], the highest score first.
OrderedJson prediction_json(std::span<const float> scores, const std::vector<std::string>& labels) {
  std::vector<std::size_t> order(scores.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return scores[a] > scores[b]; });
  OrderedJson list = OrderedJson::array();
  for (const std::size_t label : order) {
    list.push_back(OrderedJson{{"score", shortest_number(scores[label])}, {"label", labels[label]}});
  }
  return list;
}

void handle_predict(Api& api, const std::shared_ptr<Call>& call) {
  const JsonBody body(call->request(), with_reading_fields({"inputs"}));
  ServedModel& model = cross_encoder(api, body);
  EmbedJob job = scoring_job(api, body, model, "inputs");
  PredictInputs given = read_predict_inputs(body.require("inputs"), api.options().max_client_batch_size);
  job.inputs = std::move(given.inputs);
  const std::vector<std::string>& labels = model.reranker()->labels();
  job.write = [&labels, activation = activation_of(body, std::ssize(labels)),
               batch = given.batch](const Embeddings& logits) {
    std::vector<float> scores = logits.values;
    apply(activation, scores, logits.dim);
    OrderedJson all = OrderedJson::array();
    for (std::int64_t row = 0; row < logits.count; ++row) {
      const auto dim = static_cast<std::size_t>(logits.dim);
      all.push_back(prediction_json(std::span(scores).subspan(static_cast<std::size_t>(row) * dim, dim), labels));
    }
    return body_of(batch ? all : all.front());
  };
  embed(api, call, std::move(job));
}

}  // namespace

std::vector<Route> rerank_routes() {
  const std::vector<const char*> errors = {"empty_input", "batch_too_large", "text_too_long",     "model_not_found",
                                           "not_found",   "overloaded",      "deadline_exceeded", "unavailable",
                                           "unsupported", "non_finite"};
  return {
      {"POST", "/rerank", "Texts by a cross-encoder's score for a query", ErrorForm::tei, false, "RerankRequest",
       "RerankResponse", errors, handle_rerank},
      {"POST", "/v1/rerank", "The same, as the APIs of Cohere and Jina have it", ErrorForm::openai, false,
       "DocumentsRequest", "DocumentsResponse", errors, handle_v1_rerank},
      {"POST", "/predict", "Scores of texts or pairs by label", ErrorForm::tei, false, "PredictRequest",
       "PredictResponse", errors, handle_predict},
  };
}

}  // namespace treble::server
