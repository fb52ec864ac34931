// Length collapse of texts that come with the request.
#include <fmt/format.h>

#include <string>
#include <string_view>
#include <utility>

#include "api/embed_work.h"
#include "treble/collapse_report.h"

namespace treble::server {

namespace {

/// Temperatures compared in one request.
constexpr std::size_t kMaxTemperatures = 16;

std::vector<Temperature> read_temperatures(const JsonBody& body, const ApiOptions& options) {
  std::vector<Temperature> temperatures;
  const Json* list = body.find("temperatures");
  if (list == nullptr) return temperatures;
  if (!list->is_array() || list->size() > kMaxTemperatures) {
    throw ApiError("invalid_argument", fmt::format("`temperatures` must be a list of at most {}", kMaxTemperatures),
                   "temperatures");
  }
  for (const Json& one : *list) temperatures.push_back(read_temperature(one, "temperatures", options));
  return temperatures;
}

void handle_inspect(Api& api, const std::shared_ptr<Call>& call) {
  const JsonBody body(call->request(), with_encode_fields({"inputs", "temperatures", "sample", "seed", "bootstrap"}));
  ServedModel& model = api.model(body.text("model"));
  InspectOptions options;
  options.encode = read_encode_options(body, api, model);
  options.encode.temperature = {};
  options.stop = call->request().gone;
  options.temperatures = read_temperatures(body, api.options());
  if (const Json* one = body.find("temperature")) {
    options.temperatures.push_back(read_temperature(*one, "temperature", api.options()));
  }
  options.sample = body.integer("sample", 2, 1000).value_or(options.sample);
  options.bootstrap = static_cast<int>(body.integer("bootstrap", 100, 10'000).value_or(options.bootstrap));
  options.seed = static_cast<std::uint64_t>(body.integer("seed", 0, INT64_MAX).value_or(1));
  auto texts = read_texts(body.require("inputs"), "inputs", api.options().max_client_batch_size);
  call->record().model = model.name();
  call->record().texts = static_cast<std::int64_t>(texts.size());
  run_aside(api.side_pool(), api, call, [call, &model, options, texts = std::move(texts), ignored = body.ignored()] {
    const std::vector<std::string_view> views(texts.begin(), texts.end());
    HttpResponse response;
    response.body = to_json(inspect_collapse(model.encoder(), views, options));
    add_ignored_fields(ignored, response);
    call->answer(std::move(response));
  });
}

}  // namespace

std::vector<Route> inspect_routes() {
  return {{"POST",
           "/inspect",
           "How alike the vectors of short and of long texts are, at several temperatures",
           ErrorForm::tei,
           false,
           "InspectRequest",
           "InspectResponse",
           {"empty_input", "batch_too_large", "text_too_long", "model_not_found", "not_found", "overloaded",
            "interrupted", "deadline_exceeded", "unsupported", "non_finite"},
           handle_inspect}};
}

}  // namespace treble::server
