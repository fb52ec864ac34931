// The routes of text-embeddings-inference.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "api/embed_work.h"
#include "api/precision_field.h"
#include "api/side_work.h"
#include "api/vector_json.h"
#include "treble/similarity.h"
#include "treble/tokens.h"
#include "treble/version.h"

namespace treble::server {

namespace {

using OrderedJson = nlohmann::ordered_json;

/// [[0.1, …], …]
std::string rows_json(const Embeddings& embeddings, const Quantizer& quantizer) {
  std::string json;
  constexpr std::size_t kDigits = 14;
  json.reserve(embeddings.values.size() * kDigits);
  for (std::int64_t row = 0; row < embeddings.count; ++row) {
    json += row == 0 ? '[' : ',';
    append_vector(json, embeddings.row(row), quantizer, false);
  }
  return json + ']';
}

void handle_embed(Api& api, const std::shared_ptr<Call>& call) {
  const JsonBody body(call->request(), with_vector_fields({"inputs"}));
  EmbedJob job = read_embed_job(api, body, "inputs");
  job.write = [quantizer = read_quantizer(body, job)](const Embeddings& embeddings) {
    return rows_json(embeddings, *quantizer);
  };
  embed(api, call, std::move(job));
}

void handle_similarity(Api& api, const std::shared_ptr<Call>& call) {
  JsonBody body(call->request(), with_encode_fields({"inputs", "parameters"}));
  // TEI nests the options of encoding; both places are read.
  body.unfold("parameters", with_encode_fields({}));
  const Json& inputs = body.require("inputs");
  if (!inputs.is_object() || !inputs.contains("source_sentence") || !inputs.contains("sentences")) {
    throw ApiError("invalid_argument", "`inputs` must be {\"source_sentence\": text, \"sentences\": [texts]}",
                   "inputs");
  }
  ServedModel& model = embedding_model(api, body);
  EmbedJob job = {.model = &model, .field = "inputs", .options = read_encode_options(body, api, model)};
  job.ignored = body.ignored();
  const std::int64_t limit = api.options().max_client_batch_size;
  if (!inputs["source_sentence"].is_string()) {
    throw ApiError("invalid_argument", "`inputs.source_sentence` must be a text", "inputs.source_sentence");
  }
  job.inputs.texts = read_texts(inputs["source_sentence"], "inputs.source_sentence", 1);
  for (std::string& text : read_texts(inputs["sentences"], "inputs.sentences", limit)) {
    job.inputs.texts.push_back(std::move(text));
  }
  job.write = [kind = model.encoder().info().similarity](const Embeddings& embeddings) {
    std::vector<float> values;
    for (std::int64_t row = 1; row < embeddings.count; ++row) {
      values.push_back(similarity(embeddings.row(0), embeddings.row(row), kind));
    }
    std::string json;
    append_numbers(json, values);
    return json;
  };
  embed(api, call, std::move(job));
}

/// [[[0.1, …], …], …]: texts, tokens, numbers.
std::string tokens_json(const std::vector<TokenEmbeddings>& texts) {
  std::string json = "[";
  for (const TokenEmbeddings& text : texts) {
    if (json.size() > 1) json += ',';
    json += '[';
    for (std::int64_t token = 0; token < text.num_tokens; ++token) {
      if (token > 0) json += ',';
      append_numbers(json,
                     std::span(text.values)
                         .subspan(static_cast<std::size_t>(token * text.dim), static_cast<std::size_t>(text.dim)));
    }
    json += ']';
  }
  return json + ']';
}

std::vector<TokenEmbeddings> token_vectors(const SentenceEncoder& encoder, const Inputs& inputs,
                                           const EncodeOptions& options) {
  if (!inputs.ids.empty()) return token_embeddings(encoder, inputs.ids, options);
  const std::vector<std::string_view> views(inputs.texts.begin(), inputs.texts.end());
  return token_embeddings(encoder, views, options);
}

void handle_embed_all(Api& api, const std::shared_ptr<Call>& call) {
  const JsonBody body(call->request(), with_encode_fields({"inputs"}));
  EmbedJob job = read_embed_job(api, body, "inputs");
  call->record().model = job.model->name();
  call->record().texts = static_cast<std::int64_t>(job.inputs.size());
  run_stoppable(api, call, [call, job = std::move(job)](const std::stop_token& stop) {
    EncodeOptions options = job.options;
    options.stop = stop;
    const auto vectors = token_vectors(job.model->encoder(), job.inputs, options);
    std::vector<TokenCount> counts;
    counts.reserve(vectors.size());
    for (const TokenEmbeddings& text : vectors) counts.push_back(text.count);
    count_tokens(call->record(), counts);
    HttpResponse response = {.body = tokens_json(vectors)};
    add_compute_headers(call->record(), response);
    add_ignored_fields(job.ignored, response);
    call->answer(std::move(response));
  });
}

/// TEI's form of a token; start and stop are characters, null where the token is not of the text.
OrderedJson token_json(const Token& token) {
  const bool of_text = token.char_end > token.char_begin;
  return {{"id", token.id},
          {"text", token.text},
          {"special", token.special},
          {"start", of_text ? OrderedJson(token.char_begin) : OrderedJson()},
          {"stop", of_text ? OrderedJson(token.char_end) : OrderedJson()}};
}

void handle_tokenize(Api& api, const std::shared_ptr<Call>& call) {
  const JsonBody body(call->request(), {"inputs", "add_special_tokens", "prompt_name", "model"});
  ServedModel& model = api.model(body.text("model"));
  auto texts = read_texts(body.require("inputs"), "inputs", api.options().max_client_batch_size);
  TokenizationOptions options = {.add_special_tokens = body.boolean("add_special_tokens").value_or(true)};
  // Without a name the text stands alone, whatever the model's default prompt is.
  options.prompt_name = body.text("prompt_name").value_or("");
  call->record().model = model.name();
  run_aside(api.quick_pool(), api, call, [call, &model, options, texts = std::move(texts), ignored = body.ignored()] {
    const std::vector<std::string_view> views(texts.begin(), texts.end());
    OrderedJson result = OrderedJson::array();
    for (const auto& tokens : tokenize(model.encoder(), views, options)) {
      auto& list = result.emplace_back(OrderedJson::array());
      for (const Token& token : tokens) list.push_back(token_json(token));
    }
    HttpResponse response = {.body = result.dump(-1, ' ', false, OrderedJson::error_handler_t::replace)};
    add_ignored_fields(ignored, response);
    call->answer(std::move(response));
  });
}

void handle_decode(Api& api, const std::shared_ptr<Call>& call) {
  const JsonBody body(call->request(), {"ids", "skip_special_tokens", "model"});
  ServedModel& model = api.model(body.text("model"));
  const bool skip = body.boolean("skip_special_tokens").value_or(true);
  Inputs inputs = read_inputs(body, "ids", api.options().max_client_batch_size);
  if (inputs.ids.empty()) {
    throw ApiError("invalid_argument", "`ids` must be a list of token ids, or a list of such lists", "ids");
  }
  call->record().model = model.name();
  run_aside(api.quick_pool(), api, call, [call, &model, skip, lists = std::move(inputs.ids), ignored = body.ignored()] {
    OrderedJson texts = OrderedJson::array();
    for (const TokenIds& ids : lists) {
      try {
        texts.push_back(decode(model.encoder(), ids, skip));
      } catch (const Error& error) {
        throw ApiError(mapping(error.code()).name, error.what(), "ids", static_cast<std::int64_t>(texts.size()));
      }
    }
    HttpResponse response = {.body = texts.dump(-1, ' ', false, OrderedJson::error_handler_t::replace)};
    add_ignored_fields(ignored, response);
    call->answer(std::move(response));
  });
}

/// TEI's form: an embedding model by its pooling; a reranker has one label, a classifier several.
OrderedJson type_json(const ServedModel& model) {
  const Reranker* reranker = model.reranker();
  if (reranker == nullptr) {
    OrderedJson pooling = OrderedJson::array();
    for (const PoolingMode mode : model.encoder().info().pooling) pooling.push_back(to_string(mode));
    // As TEI calls it.
    if (pooling.empty()) pooling.push_back("splade");
    return {{"embedding", {{"pooling", pooling.size() == 1 ? pooling.front() : pooling}}}};
  }
  OrderedJson labels = OrderedJson::object();
  OrderedJson ids = OrderedJson::object();
  for (std::size_t i = 0; i < reranker->labels().size(); ++i) {
    labels[std::to_string(i)] = reranker->labels()[i];
    ids[reranker->labels()[i]] = i;
  }
  const char* kind = reranker->labels().size() == 1 ? "reranker" : "classifier";
  return {{kind, {{"id2label", labels}, {"label2id", ids}}}};
}

OrderedJson info_json(const ServedModel& model, const ApiOptions& options) {
  const ModelInfo& info = model.encoder().info();
  const EncodeOptions& defaults = model.defaults();
  const bool vectors = model.gives_vectors();
  return {{"model_id", model.source()},
          {"model_sha", model.encoder().weights_sha256()},
          {"model_dtype", to_string(info.compute_dtype)},
          {"served_model_name", model.name()},
          {"model_type", type_json(model)},
          {"max_concurrent_requests", options.max_concurrent_requests},
          {"max_input_length", defaults.max_length.value_or(info.max_length)},
          {"max_batch_tokens", options.max_batch_tokens},
          {"max_batch_requests", nullptr},
          {"max_client_batch_size", options.max_client_batch_size},
          {"payload_limit", options.payload_limit},
          {"auto_truncate", options.auto_truncate},
          {"tokenization_workers", options.tokenization_workers},
          {"version", version()},
          {"sha", git_commit()},
          {"docker_label", nullptr},
          {"temperature", defaults.temperature.to_string()},
          {"baked_temperature", info.baked_temperature.empty() ? OrderedJson() : OrderedJson(info.baked_temperature)},
          {"tempered_layers", info.tempered_layers},
          {"state", defaults.state.to_string()},
          {"state_layers", info.state_layers},
          {"dimensions", vectors ? OrderedJson(model.encoder().output_dim(defaults)) : OrderedJson()},
          {"similarity", vectors ? OrderedJson(to_string(info.similarity)) : OrderedJson()},
          {"prompts", info.prompts},
          {"default_prompt_name", defaults.prompt ? "" : defaults.prompt_name.value_or(info.default_prompt_name)},
          {"default_prompt", defaults.prompt ? OrderedJson(*defaults.prompt) : OrderedJson()},
          {"position_limit", info.position_limit},
          {"threads", info.threads},
          {"cpu_isa", info.cpu_isa},
          {"warnings", info.warnings}};
}

void handle_info(Api& api, const std::shared_ptr<Call>& call) {
  OrderedJson json = info_json(*api.models().all().front(), api.options());
  OrderedJson models = OrderedJson::array();
  for (const auto& model : api.models().all()) models.push_back(info_json(*model, api.options()));
  if (models.size() > 1) json["models"] = std::move(models);
  call->answer({.body = json.dump(-1, ' ', false, OrderedJson::error_handler_t::replace)});
}

}  // namespace

std::vector<Route> tei_routes() {
  const std::vector<const char*> token_vectors = {"empty_input",       "batch_too_large", "text_too_long",
                                                  "model_not_found",   "not_found",       "overloaded",
                                                  "deadline_exceeded", "unsupported",     "non_finite"};
  std::vector<const char*> embedding = token_vectors;
  embedding.push_back("unavailable");
  const std::vector<const char*> texts = {"empty_input", "batch_too_large",   "model_not_found", "not_found",
                                          "overloaded",  "deadline_exceeded", "unsupported"};
  return {
      {"POST", "/embed", "Vectors of texts", ErrorForm::tei, false, "EmbedRequest", "EmbedResponse", embedding,
       handle_embed},
      {"POST", "/", "As /embed: where huggingface_hub's clients ask, as at an Inference Endpoint", ErrorForm::tei,
       false, "EmbedRequest", "EmbedResponse", embedding, handle_embed},
      {"POST", "/embed_all", "A vector for each token, before pooling", ErrorForm::tei, false, "EmbedRequest",
       "EmbedAllResponse", token_vectors, handle_embed_all},
      {"POST", "/similarity", "Similarity of one text to others", ErrorForm::tei, false, "SimilarityRequest",
       "SimilarityResponse", embedding, handle_similarity},
      {"POST", "/tokenize", "Tokens of texts, with their places", ErrorForm::tei, false, "TokenizeRequest",
       "TokenizeResponse", texts, handle_tokenize},
      {"POST", "/decode", "Texts of token ids", ErrorForm::tei, false, "DecodeRequest", "DecodeResponse", texts,
       handle_decode},
      {"GET", "/info", "What is served, with which limits", ErrorForm::tei, false, "", "InfoResponse", {}, handle_info},
  };
}

}  // namespace treble::server
