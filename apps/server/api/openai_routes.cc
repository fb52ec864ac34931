// The routes of OpenAI's API.
#include <fmt/format.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <utility>

#include "api/embed_work.h"
#include "api/precision_field.h"
#include "api/vector_json.h"

namespace treble::server {

namespace {

using OrderedJson = nlohmann::ordered_json;

/// Seconds since 1970 at which this process began to serve, OpenAI's `created`.
std::int64_t start_time() {
  static const auto start = std::chrono::system_clock::now();
  return std::chrono::duration_cast<std::chrono::seconds>(start.time_since_epoch()).count();
}

bool wants_base64(const JsonBody& body) {
  const std::string format = body.text("encoding_format").value_or("float");
  if (format != "float" && format != "base64") {
    throw ApiError("invalid_argument",
                   fmt::format("`encoding_format` must be float or base64, not \"{:.40}\"; `precision` says of which "
                               "numbers",
                               format),
                   "encoding_format");
  }
  return format == "base64";
}

OrderedJson usage_json(const Embeddings& embeddings) {
  RequestRecord counts;
  count_tokens(counts, embeddings.token_counts);
  return {{"prompt_tokens", counts.tokens},
          {"total_tokens", counts.tokens},
          {"truncated_texts", counts.truncated_texts},
          {"truncated_tokens", counts.truncated_tokens}};
}

std::string list_json(const Embeddings& embeddings, const Quantizer& quantizer, const std::string& model, bool base64) {
  std::string json = R"({"object":"list","data":[)";
  for (std::int64_t row = 0; row < embeddings.count; ++row) {
    json += fmt::format(R"({}{{"object":"embedding","index":{},"embedding":)", row == 0 ? "" : ",", row);
    append_vector(json, embeddings.row(row), quantizer, base64);
    json += '}';
  }
  json += R"(],"model":)" + OrderedJson(model).dump();
  return json + R"(,"usage":)" + usage_json(embeddings).dump() + "}";
}

void handle_embeddings(Api& api, const std::shared_ptr<Call>& call) {
  const JsonBody body(call->request(), with_vector_fields({"input", "encoding_format", "user"}));
  body.require("model");
  EmbedJob job = read_embed_job(api, body, "input");
  job.write = [name = job.model->name(), base64 = wants_base64(body), quantizer = read_quantizer(body, job)](
                  const Embeddings& embeddings) { return list_json(embeddings, *quantizer, name, base64); };
  embed(api, call, std::move(job));
}

OrderedJson model_json(const ServedModel& model) {
  return {
      {"id", model.name()},
      {"object", "model"},
      {"created", start_time()},
      {"owned_by", "treble"},
      {"dimensions", model.gives_vectors() ? OrderedJson(model.encoder().output_dim(model.defaults())) : OrderedJson()},
      {"max_input_length", model.encoder().info().max_length},
      {"temperature", model.defaults().temperature.to_string()},
      {"state", model.defaults().state.to_string()}};
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const int lower = c | 0x20;
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/// "org%2Fmodel" is org/model.
std::string percent_decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool coded =
        text[i] == '%' && i + 2 < text.size() && hex_digit(text[i + 1]) >= 0 && hex_digit(text[i + 2]) >= 0;
    out += coded ? static_cast<char>(16 * hex_digit(text[i + 1]) + hex_digit(text[i + 2])) : text[i];
    if (coded) i += 2;
  }
  return out;
}

void handle_model(Api& api, const std::shared_ptr<Call>& call) {
  const std::string_view path = call->request().path;
  const ServedModel& model = api.model(percent_decoded(path.substr(path.find("/models/") + 8)));
  call->record().model = model.name();
  call->answer({.body = model_json(model).dump()});
}

void handle_models(Api& api, const std::shared_ptr<Call>& call) {
  OrderedJson data = OrderedJson::array();
  for (const auto& model : api.models().all()) data.push_back(model_json(*model));
  call->answer({.body = OrderedJson{{"object", "list"}, {"data", std::move(data)}}.dump()});
}

}  // namespace

std::vector<Route> openai_routes() {
  return {
      {"POST",
       "/v1/embeddings",
       "Vectors of texts, as OpenAI's API has it",
       ErrorForm::openai,
       false,
       "EmbeddingsRequest",
       "EmbeddingsResponse",
       {"empty_input", "batch_too_large", "text_too_long", "model_not_found", "not_found", "overloaded",
        "deadline_exceeded", "unavailable", "unsupported", "non_finite"},
       handle_embeddings},
      {"GET",
       "/v1/models",
       "The models that are served",
       ErrorForm::openai,
       false,
       "",
       "ModelsResponse",
       {},
       handle_models},
      {"GET",
       "/v1/models/{model}",
       "One of them",
       ErrorForm::openai,
       false,
       "",
       "ModelResponse",
       {"model_not_found"},
       handle_model},
  };
}

}  // namespace treble::server
