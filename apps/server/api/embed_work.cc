#include "api/embed_work.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "api/side_work.h"

namespace treble::server {

namespace {

constexpr std::int64_t kMaxTokenId = std::numeric_limits<std::int32_t>::max();

[[noreturn]] void refuse(const char* kind, const std::string& message, const char* field) {
  throw ApiError(kind, message, field);
}

TokenIds ids_of(const Json& list, const char* field, std::int64_t index) {
  if (!list.is_array()) {
    throw ApiError(
        "invalid_argument",
        fmt::format("`{}[{}]` must be a list of token ids, as `{}[0]` is, not {}", field, index, field, kind_of(list)),
        field, index);
  }
  if (list.empty()) {
    throw ApiError("empty_input", fmt::format("`{}[{}]` holds no token ids", field, index), field, index);
  }
  TokenIds ids;
  ids.reserve(list.size());
  for (const Json& id : list) {
    const bool whole = id.is_number_unsigned() && id.get<std::uint64_t>() <= static_cast<std::uint64_t>(kMaxTokenId);
    if (!whole) {
      throw ApiError(
          "invalid_argument",
          fmt::format("`{}[{}]` holds {:.40}, which is not a token id: a whole number from 0", field, index, id.dump()),
          field, index);
    }
    ids.push_back(id.get<std::int32_t>());
  }
  return ids;
}

std::int64_t count_characters(std::string_view text) {
  return std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; });
}

void read_truncation(const JsonBody& body, bool auto_truncate, EncodeOptions& options) {
  const bool truncate = body.boolean("truncate").value_or(auto_truncate);
  if (const auto direction = body.text("truncation_direction")) {
    const std::string& name = *direction;
    const bool left = name == "left" || name == "Left";
    if (!left && name != "right" && name != "Right") {
      refuse("invalid_argument", fmt::format("`truncation_direction` must be Left or Right, not \"{:.40}\"", name),
             "truncation_direction");
    }
    options.truncation = left ? Truncation::start : Truncation::end;
  }
  if (!truncate) options.truncation = Truncation::error;
}

std::string milliseconds(double seconds) { return fmt::format("{:.3f}", 1000 * seconds); }

}  // namespace

ServedModel& embedding_model(const Api& api, const JsonBody& body) {
  ServedModel& model = api.model(body.text("model"));
  if (model.gives_vectors()) return model;
  if (model.reranker() == nullptr) {
    throw ApiError("unsupported",
                   fmt::format("{} has no dense vectors; its sparse ones are those of /embed_sparse", model.name()));
  }
  throw ApiError(
      "unsupported",
      fmt::format("{} is a cross-encoder, which gives scores of pairs and no vectors; use /rerank, /v1/rerank or "
                  "/predict, or serve an embedding model",
                  model.name()));
}

void check_count(std::size_t count, const char* field, std::int64_t max_count) {
  if (count == 0) refuse("empty_input", fmt::format("`{}` is an empty list; send at least one input", field), field);
  if (static_cast<std::int64_t>(count) > max_count) {
    refuse("batch_too_large",
           fmt::format("`{}` holds {} inputs, and the limit of a request is {} (--max-client-batch-size); send several "
                       "requests",
                       field, count, max_count),
           field);
  }
}

std::string read_text(const Json& value, const char* field, std::int64_t index) {
  if (!value.is_string()) {
    throw ApiError("invalid_argument", fmt::format("`{}[{}]` must be a text, not {}", field, index, kind_of(value)),
                   field, index);
  }
  if (value.get_ref<const std::string&>().empty()) {
    throw ApiError("empty_input", fmt::format("`{}[{}]` is empty; an embedding needs a text", field, index), field,
                   index);
  }
  return value.get<std::string>();
}

std::vector<std::string> read_texts(const Json& value, const char* field, std::int64_t max_count) {
  if (value.is_string()) return {read_text(value, field, 0)};
  if (!value.is_array()) {
    refuse("invalid_argument", fmt::format("`{}` must be a text or a list of texts, not {}", field, kind_of(value)),
           field);
  }
  check_count(value.size(), field, max_count);
  std::vector<std::string> texts;
  texts.reserve(value.size());
  for (const Json& text : value) texts.push_back(read_text(text, field, static_cast<std::int64_t>(texts.size())));
  return texts;
}

Inputs read_inputs(const JsonBody& body, const char* field, std::int64_t max_count) {
  const Json& value = body.require(field);
  Inputs inputs;
  if (!value.is_array() || value.empty() || value.front().is_string()) {
    inputs.texts = read_texts(value, field, max_count);
  } else if (value.front().is_number()) {
    inputs.ids.push_back(ids_of(value, field, 0));
  } else if (value.front().is_array()) {
    check_count(value.size(), field, max_count);
    for (const Json& list : value) {
      inputs.ids.push_back(ids_of(list, field, static_cast<std::int64_t>(inputs.ids.size())));
    }
  } else {
    throw ApiError(
        "invalid_argument",
        fmt::format("`{}[0]` must be a text, a token id or a list of token ids, not {}", field, kind_of(value.front())),
        field, 0);
  }
  return inputs;
}

std::vector<std::string_view> with_encode_fields(std::vector<std::string_view> fields) {
  for (const char* field : {"model", "temperature", "state", "prompt_name", "prompt", "truncate",
                            "truncation_direction", "normalize", "dimensions", "max_length"}) {
    fields.emplace_back(field);
  }
  return fields;
}

Temperature read_temperature(const Json& value, const char* field, const ApiOptions& options) {
  if (value.is_number()) return Temperature::constant(value.get<double>());
  const std::string text = value.is_string() ? value.get<std::string>() : std::string();
  if (const auto profile = options.profiles.find(text); profile != options.profiles.end()) return profile->second;
  const std::size_t colon = text.find(':');
  const std::string kind = colon == std::string::npos ? "" : text.substr(0, colon);
  const std::string_view numbers = std::string_view(text).substr(colon == std::string::npos ? 0 : colon + 1);
  const bool formula =
      (kind.empty() && colon == std::string::npos) || kind == "log" || kind == "ssmax" || kind == "yarn";
  // Nothing but a formula reaches the parser, which would take other texts for names of files.
  if (!formula || numbers.empty() || numbers.find_first_not_of("0123456789.,+-eE") != std::string_view::npos) {
    std::string names;
    for (const auto& [name, profile] : options.profiles) names += ", " + name;
    refuse("invalid_argument",
           fmt::format("`{}` must be a number above 0, or one of the texts log:N0, ssmax:S, ssmax:S,B, yarn:N0{}, not "
                       "{:.60}",
                       field, names, value.is_string() ? fmt::format("\"{}\"", text) : kind_of(value)),
           field);
  }
  return Temperature::parse(text);
}

StateControl read_state(const Json& value, const char* field) {
  const std::string text = value.is_string() ? value.get<std::string>() : std::string();
  const std::size_t colon = text.find(':');
  const std::string kind = text.substr(0, colon);
  const std::string_view numbers = colon == std::string::npos ? "" : std::string_view(text).substr(colon + 1);
  const bool formula = kind == "rri" || kind == "window" || kind == "norm";
  const bool numeric = !numbers.empty() && numbers.find_first_not_of("0123456789.,+-eE") == std::string_view::npos;
  // Nothing but a formula reaches the parser, which would take other texts for names of files.
  if (text != "none" && text != "norm:inf" && !(formula && numeric)) {
    refuse("invalid_argument",
           fmt::format("`{}` must be one of the texts none, rri:A,B, window:R, norm:P, not {:.60}", field,
                       value.is_string() ? fmt::format("\"{}\"", text) : kind_of(value)),
           field);
  }
  return StateControl::parse(text);
}

EncodeOptions read_encode_options(const JsonBody& body, const Api& api, const ServedModel& model) {
  EncodeOptions options = model.defaults();
  if (const Json* temperature = body.find("temperature")) {
    try {
      options.temperature = read_temperature(*temperature, "temperature", api.options());
    } catch (const Error& error) {
      throw ApiError(error, "temperature");
    }
  }
  if (const Json* state = body.find("state")) {
    try {
      options.state = read_state(*state, "state");
    } catch (const Error& error) {
      throw ApiError(error, "state");
    }
  }
  const auto prompt = body.text("prompt");
  if (const auto name = body.text("prompt_name")) {
    if (prompt) refuse("invalid_argument", "`prompt` and `prompt_name` exclude each other", "prompt");
    options.prompt_name = *name;
    options.prompt.reset();
  }
  if (prompt) {
    options.prompt = *prompt;
    options.prompt_name.reset();
  }
  read_truncation(body, api.options().auto_truncate, options);
  if (const auto normalize = body.boolean("normalize")) options.normalize = *normalize;
  const ModelInfo& info = model.encoder().info();
  if (const auto dimensions = body.integer("dimensions", 1, info.dim)) options.dimensions = *dimensions;
  if (const auto max_length = body.integer("max_length", 1, info.max_length)) options.max_length = *max_length;
  model.validate(options);
  return options;
}

void count_tokens(RequestRecord& record, std::span<const TokenCount> counts) {
  for (const TokenCount& count : counts) {
    record.tokens += count.used;
    record.text_tokens.push_back(count.used);
    record.truncated_texts += count.tokens > count.used ? 1 : 0;
    record.truncated_tokens += count.tokens - count.used;
  }
}

EmbedJob read_embed_job(const Api& api, const JsonBody& body, const char* field) {
  ServedModel& model = embedding_model(api, body);
  EmbedJob job = {.model = &model,
                  .inputs = read_inputs(body, field, api.options().max_client_batch_size),
                  .field = field,
                  .options = read_encode_options(body, api, model),
                  .ignored = body.ignored()};
  // TEI's clients and OpenAI's rely on vectors of length 1, whatever the model says.
  job.options.normalize = body.boolean("normalize").value_or(true);
  return job;
}

void embed(Api& api, const std::shared_ptr<Call>& call, EmbedJob job) {
  call->hold(std::make_shared<const Api::Place>(api));
  RequestRecord& record = call->record();
  record.model = job.model->name();
  record.texts = static_cast<std::int64_t>(job.inputs.size());
  for (const std::string& text : job.inputs.texts) record.characters += count_characters(text);
  for (const OwnedTextPair& pair : job.inputs.pairs) {
    record.characters += count_characters(pair.query) + count_characters(pair.text);
  }
  Inputs inputs = std::move(job.inputs);
  const EncodeOptions options = job.options;
  std::optional<OutputOptions> sparse;
  if (job.sparse) {
    sparse = {.encode = options, .role = job.sparse->role, .max_active_dims = job.sparse->max_active_dims};
  }
  RequestQueue& queue = job.model->queue();
  const auto deliver = [call, job = std::move(job)](Answer answer) {
    call->guard([&] {
      RequestRecord& done = call->record();
      done.tokenization_seconds = answer.timing.tokenization_seconds;
      done.queue_seconds = answer.timing.wait_seconds;
      done.inference_seconds = answer.timing.compute_seconds;
      if (answer.error) throw ApiError(*answer.error, job.field);
      count_tokens(done, answer.sparse ? answer.sparse->token_counts : answer.embeddings.token_counts);
      HttpResponse response = {.body =
                                   answer.sparse ? job.sparse->write(*answer.sparse) : job.write(answer.embeddings)};
      add_compute_headers(done, response);
      response.headers.emplace_back("x-temperature", job.options.temperature.to_string());
      if (job.model->encoder().info().state_layers > 0) {
        response.headers.emplace_back("x-state", job.options.state.to_string());
      }
      add_ignored_fields(job.ignored, response);
      call->answer(std::move(response));
    });
  };
  const SubmitOptions submit = read_submit_options(*call, api.options());
  if (sparse) {
    queue.submit_sparse(std::move(inputs.texts), *sparse, submit, deliver);
  } else if (!inputs.pairs.empty()) {
    queue.submit_pairs(std::move(inputs.pairs), options, submit, deliver);
  } else if (inputs.ids.empty()) {
    queue.submit(std::move(inputs.texts), options, submit, deliver);
  } else {
    queue.submit_token_ids(std::move(inputs.ids), options, submit, deliver);
  }
}

void add_compute_headers(const RequestRecord& record, HttpResponse& response) {
  const double compute = record.tokenization_seconds + record.inference_seconds;
  const double total = record.tokenization_seconds + record.queue_seconds + record.inference_seconds;
  for (auto& [name, value] : std::initializer_list<std::pair<const char*, std::string>>{
           {"x-compute-type", "cpu"},
           {"x-compute-time", milliseconds(compute)},
           {"x-compute-characters", std::to_string(record.characters)},
           {"x-compute-tokens", std::to_string(record.tokens)},
           {"x-total-time", milliseconds(total)},
           {"x-tokenization-time", milliseconds(record.tokenization_seconds)},
           {"x-queue-time", milliseconds(record.queue_seconds)},
           {"x-inference-time", milliseconds(record.inference_seconds)},
           {"x-truncated-texts", std::to_string(record.truncated_texts)},
           {"x-truncated-tokens", std::to_string(record.truncated_tokens)}}) {
    response.headers.emplace_back(name, value);
  }
}

void add_ignored_fields(const std::vector<std::string>& names, HttpResponse& response) {
  constexpr std::size_t kMaxHeader = 500;
  std::string header;
  for (const std::string& name : names) {
    if (header.size() + name.size() > kMaxHeader) break;
    header += (header.empty() ? "" : ", ") + name;
  }
  if (!names.empty()) response.headers.emplace_back("x-ignored-fields", header);
}

}  // namespace treble::server
