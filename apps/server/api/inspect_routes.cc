// Length collapse of texts that come with the request.
#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

#include "api/embed_work.h"
#include "api/side_work.h"
#include "treble/collapse_report.h"

namespace treble::server {

namespace {

/// Columns of a report: temperatures, and as many fitted steps.
constexpr std::size_t kMaxSettings = 16;
/// Resampling a group of texts is not interrupted: some seconds at most.
constexpr std::int64_t kMaxResampledTexts = 2'500'000;
/// Probing a head takes a matrix of length² numbers.
constexpr IntegerList kCutLengths = {.min = 1, .max = 2048, .max_count = 16};
constexpr IntegerList kBucketEdges = {.min = 1, .max = 1'000'000, .max_count = 16};

/// The list in `name`, each of its elements read by `read`.
template <typename Value, typename Read>
std::vector<Value> read_settings(const JsonBody& body, const char* name, const Read& read) {
  std::vector<Value> values;
  const Json* list = body.find(name);
  if (list == nullptr) return values;
  if (!list->is_array() || list->size() > kMaxSettings) {
    throw ApiError("invalid_argument", fmt::format("`{}` must be a list of at most {}", name, kMaxSettings), name);
  }
  for (const Json& one : *list) {
    try {
      values.push_back(read(one));
    } catch (const Error& error) {
      throw ApiError(error, name);
    }
  }
  return values;
}

PostSpec read_post(const Json& value) {
  if (!value.is_string()) {
    throw ApiError("invalid_argument", "`posts` must hold texts such as \"centring\", not " + kind_of(value), "posts");
  }
  return PostSpec::parse(value.get_ref<const std::string&>());
}

void read_measures(const JsonBody& body, const ModelInfo& info, InspectOptions& options) {
  options.sample = body.integer("sample", 2, 1000).value_or(options.sample);
  options.bootstrap = static_cast<int>(body.integer("bootstrap", 0, 10'000).value_or(options.bootstrap));
  options.seed = static_cast<std::uint64_t>(body.integer("seed", 0, INT64_MAX).value_or(1));
  options.probe_texts = body.integer("probe_texts", 1, 64).value_or(options.probe_texts);
  options.neighbors = body.integer("neighbors", 1, 100).value_or(options.neighbors);
  options.cut_lengths = body.integers("cut_lengths", kCutLengths).value_or(options.cut_lengths);
  options.bucket_edges = body.integers("bucket_edges", kBucketEdges).value_or(options.bucket_edges);
  const auto layers = static_cast<std::size_t>(info.num_layers);
  options.layers = body.integers("layers", {.min = 0, .max = info.num_layers - 1, .max_count = layers});
}

void read_queries(const JsonBody& body, const Api& api, const ServedModel& model, InspectOptions& options) {
  const Json* queries = body.find("queries");
  const bool some = queries != nullptr && !(queries->is_array() && queries->empty());
  if (some) options.queries = read_texts(*queries, "queries", api.options().max_client_batch_size);
  options.query_prompt_name = body.text("query_prompt_name");
  if (!options.query_prompt_name) return;
  EncodeOptions encode = options.encode;
  encode.prompt_name = options.query_prompt_name;
  encode.prompt.reset();
  try {
    model.encoder().validate(encode);
  } catch (const Error& error) {
    throw ApiError(error, "query_prompt_name");
  }
}

void check_resampling(const InspectOptions& options) {
  const std::int64_t texts = std::max(options.sample, static_cast<std::int64_t>(options.queries.size()));
  if (texts * options.bootstrap <= kMaxResampledTexts) return;
  throw ApiError("invalid_argument",
                 fmt::format("`bootstrap` ({}) times the larger of `sample` and the number of `queries` ({}) may be at "
                             "most {}; lower one of them",
                             options.bootstrap, texts, kMaxResampledTexts),
                 "bootstrap");
}

InspectOptions read_inspect_options(const JsonBody& body, const Api& api, const ServedModel& model) {
  InspectOptions options;
  options.encode = read_encode_options(body, api, model);
  options.encode.temperature = {};
  // Measured is the model as trained, and beside it what the request asks for; not the server's default.
  if (body.find("state") != nullptr && !options.encode.state.is_identity()) options.states = {options.encode.state};
  options.encode.state = {};
  const auto read = [&](const Json& value) { return read_temperature(value, "temperatures", api.options()); };
  options.temperatures = read_settings<Temperature>(body, "temperatures", read);
  if (const Json* one = body.find("temperature")) {
    options.temperatures.push_back(read_temperature(*one, "temperature", api.options()));
  }
  for (const Temperature& temperature : options.temperatures) {
    EncodeOptions encode = options.encode;
    encode.temperature = temperature;
    try {
      model.encoder().validate(encode);
    } catch (const Error& error) {
      throw ApiError(error, "temperatures");
    }
  }
  options.posts = read_settings<PostSpec>(body, "posts", read_post);
  read_measures(body, model.encoder().info(), options);
  read_queries(body, api, model, options);
  check_resampling(options);
  return options;
}

/// A text with an id: {"id": "doc-7", "text": "…"}.
InspectText read_identified_text(const Json& value, std::int64_t index) {
  const auto text = value.find("text");
  if (text == value.end()) {
    throw ApiError("invalid_argument", fmt::format("`inputs[{}]` has no `text`", index), "inputs", index);
  }
  const auto id = value.find("id");
  if (id == value.end() || id->is_null()) return {.id = {}, .text = read_text(*text, "inputs", index)};
  // A number that is read as floating-point is another than the one that was sent.
  if (!id->is_string() && !id->is_number_integer()) {
    throw ApiError("invalid_argument",
                   fmt::format("the `id` of `inputs[{}]` must be a text or a whole number of at most 64 bits", index),
                   "inputs", index);
  }
  return {.id = id->is_string() ? id->get<std::string>() : id->dump(), .text = read_text(*text, "inputs", index)};
}

std::vector<InspectText> read_inspect_texts(const Json& value, std::int64_t max_count) {
  std::vector<InspectText> texts;
  if (!value.is_array()) {
    for (std::string& text : read_texts(value, "inputs", max_count))
      texts.push_back({.id = {}, .text = std::move(text)});
    return texts;
  }
  check_count(value.size(), "inputs", max_count);
  for (const Json& one : value) {
    const auto index = static_cast<std::int64_t>(texts.size());
    texts.push_back(one.is_object() ? read_identified_text(one, index)
                                    : InspectText{.id = {}, .text = read_text(one, "inputs", index)});
  }
  return texts;
}

CollapseReport inspect_texts(const SentenceEncoder& encoder, const std::vector<InspectText>& texts,
                             const InspectOptions& options) {
  std::size_t next = 0;
  const InspectSource source = [&](InspectText& text) {
    if (next == texts.size()) return false;
    text = texts[next++];
    return true;
  };
  try {
    return inspect_collapse(encoder, source, options);
  } catch (const Error& error) {
    if (error.code() == ErrorCode::interrupted) throw;
    // The index it may carry is one into a sample, not into the inputs.
    throw ApiError(mapping(error.code()).name, error.what());
  }
}

void handle_inspect(Api& api, const std::shared_ptr<Call>& call) {
  const JsonBody body(call->request(), with_encode_fields({"inputs", "temperatures", "posts", "queries",
                                                           "query_prompt_name", "layers", "sample", "seed", "bootstrap",
                                                           "cut_lengths", "bucket_edges", "probe_texts", "neighbors"}));
  ServedModel& model = embedding_model(api, body);
  InspectOptions options = read_inspect_options(body, api, model);
  auto texts = read_inspect_texts(body.require("inputs"), api.options().max_client_batch_size);
  call->record().model = model.name();
  call->record().texts = static_cast<std::int64_t>(texts.size());
  run_stoppable(api, call,
                [call, &model, options = std::move(options), texts = std::move(texts),
                 ignored = body.ignored()](const std::stop_token& stop) {
                  InspectOptions stoppable = options;
                  stoppable.stop = stop;
                  HttpResponse response;
                  response.body = to_json(inspect_texts(model.encoder(), texts, stoppable));
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
           {"empty_input", "batch_too_large", "model_not_found", "not_found", "deadline_exceeded", "unsupported",
            "non_finite"},
           handle_inspect}};
}

}  // namespace treble::server
