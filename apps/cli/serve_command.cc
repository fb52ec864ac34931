#include "serve_command.h"

#include <fmt/ranges.h>

#include <cmath>
#include <limits>
#include <utility>

#include "command_line.h"
#include "config_file.h"
#include "fail.h"
#include "interrupt.h"
#include "model_arguments.h"
#include "ranges_file.h"
#include "standard_streams.h"
#include "treble/temperature.h"
#include "treble/temperature_profile.h"

namespace treble::cli {

namespace {

constexpr const char* kServeExamples =
    R"(The APIs of text-embeddings-inference (/embed, …) and OpenAI (/v1/embeddings, …), with one more field: "temperature"
("state" for Mamba-2 models).
http://HOST:PORT/ is a page to try it on, /docs lists the routes; docs/server.md, docs/operate.md.

Every option is also an environment variable, in upper case (--max-batch-tokens: MAX_BATCH_TOKENS; but --hostname:
TREBLE_HOSTNAME, --model: TREBLE_MODEL, --state: TREBLE_STATE), or a line of the file of --config (max-batch-tokens = 16384). SIGTERM and Ctrl-C refuse new requests and answer those accepted.

Examples:
  treble serve --model models/all-MiniLM-L6-v2 --port 3000
  treble serve --model MODEL_A --model MODEL_B --served-model-name a --served-model-name b --temperature 1 --temperature 0.8
  curl 127.0.0.1:3000/embed -H 'Content-Type: application/json' -d '{"inputs": "a text", "temperature": 0.8}')";

constexpr double kMaxSeconds = 86'400;

std::chrono::milliseconds milliseconds(double seconds) {
  return std::chrono::milliseconds(static_cast<std::int64_t>(std::llround(1000 * seconds)));
}

/// "--max-batch-tokens" → "MAX_BATCH_TOKENS".
std::string variable_of(const std::string& flag) {
  std::string name = flag.substr(2);
  for (char& c : name) c = c == '-' ? '_' : static_cast<char>(std::toupper(c));
  return name;
}

template <typename Value>
CLI::Option* add(CLI::App& command, const std::string& group, const std::string& flag, Value& value,
                 const std::string& help, const std::string& type) {
  return command.add_option(flag, value, help)->type_name(type)->group(group)->envname(variable_of(flag));
}

/// A list of values, each with a flag of its own.
CLI::Option* add_list(CLI::App& command, const std::string& group, const std::string& flag,
                      std::vector<std::string>& values, const std::string& help, const std::string& type) {
  return add(command, group, flag, values, help, type)->take_all()->allow_extra_args(false);
}

/// The value for the model at `index`: one each, or one for all, or none.
std::string one_of_each(const std::vector<std::string>& values, std::size_t index, std::size_t models, const char* flag,
                        bool may_be_shared) {
  if (values.empty()) return {};
  if (values.size() == models) return values[index];
  if (values.size() == 1 && may_be_shared) return values.front();
  fail(ErrorCode::invalid_argument, "{} is given {} times for {} models; give it once for each{}", flag, values.size(),
       models, may_be_shared ? ", or once for all" : "");
}

}  // namespace

void ServeCommand::add_to(CLI::App& app) {
  command_ = app.add_subcommand("serve", "Serve vectors over HTTP: text-embeddings-inference's API, OpenAI's, a page");
  command_->add_option("--config", config_, "Options from a file: a line each, port = 3000 (TOML or INI)")
      ->type_name("FILE");
  add_model_options();
  add_http_options();
  add_limit_options();
  add_connection_options();
  add_operation_options();
  command_->footer(kServeExamples);
}

void ServeCommand::add_model_options() {
  CLI::App& command = *command_;
  const std::string group = "Models";
  command
      .add_option("-m,--model,--model-id", models_,
                  "Model folder, or a name in the local Hugging Face cache; repeat "
                  "for several")
      ->type_name("MODEL")
      ->take_all()
      ->allow_extra_args(false)
      ->envname("TREBLE_MODEL")
      ->group(group);
  add_list(command, group, "--served-model-name", names_, "Name in requests, one for each model [the model's own]",
           "NAME");
  command
      .add_option("-t,--temperature", temperatures_,
                  "Of attention where a request names none: one for all, or one for each model [1]")
      ->type_name("T")
      ->take_all()
      ->allow_extra_args(false)
      ->envname("TEMPERATURE")
      ->group(group);
  command
      .add_option("--state", states_,
                  "Control of the state of Mamba-2 models where a request names none (rri:A,B, window:R, norm:P, "
                  "norm:FILE): one for all, or one for each model [none]")
      ->type_name("S")
      ->take_all()
      ->allow_extra_args(false)
      // STATE is too common a name for other things.
      ->envname("TREBLE_STATE")
      ->group(group);
  add_list(command, group, "--temperature-profile", profiles_,
           "A calibrated profile that requests may name as match:NAME; may be repeated", "NAME=FILE");
  add_list(command, group, "--adapter", adapters_,
           "PEFT LoRA adapter to merge into the weights; repeatable, one a model, '' for none", "DIR");
  add_list(command, group, "--task", tasks_,
           "Of a model with an adapter for each task: whose to merge, or none; repeatable, one a model [as "
           "--default-prompt-name, if that is a task]",
           "NAME");
  add_list(command, group, "--ranges", ranges_,
           "Ranges for requests with precision int8 or uint8, of `treble fit --transform ranges`; repeatable, one a "
           "model, '' for none",
           "FILE");
  add(command, group, "--dtype", dtype_, "float32, bfloat16, int8 or auto [float32]", "TYPE");
  add(command, group, "--threads", model_.threads, "Threads of each model [all CPUs allowed to the process]", "N");
  add(command, group, "--cache", model_.cache,
      "Folder that keeps what int8 makes of the weights, so that the next start need not calibrate [none]", "DIR")
      // CACHE is too common a name for other things.
      ->envname("TREBLE_CACHE");
  add(command, group, "--max-length", model_.max_length, "Longest text in tokens [as the model specifies]", "N");
  add(command, group, "--extend", extend_, "Read texts beyond the model's positions: none, group, interpolate, ntk, …",
      "HOW");
  auto* name = add(command, group, "--default-prompt-name", default_prompt_name_,
                   "The model's prompt where a request names none [as the model specifies]", "NAME");
  add(command, group, "--default-prompt", default_prompt_, "A text put before every input", "TEXT")->excludes(name);
}

void ServeCommand::add_http_options() {
  CLI::App& command = *command_;
  const std::string group = "HTTP";
  server::HttpOptions& http = options_.http;
  add(command, group, "--hostname", http.hostname, "Address or name to listen on [0.0.0.0]", "HOST")
      // Containers set HOSTNAME to their own name, where 127.0.0.1 would not be heard.
      ->envname("TREBLE_HOSTNAME");
  add(command, group, "-p,--port", http.port, "Port; 0 for any free one [3000]", "PORT")->envname("PORT");
  add(command, group, "--uds-path", http.uds_path, "Unix socket to listen on instead", "FILE");
  add(command, group, "--io-threads", http.threads, "Threads that read and write requests [1]", "N")
      ->check(CLI::Range(1, 64).description(""));
  add_list(command, group, "--api-key", options_.api.api_keys, "Key that requests must bring; may be repeated [none]",
           "KEY");
  add_list(command, group, "--cors-allow-origin", options_.api.cors_allow_origin,
           "Origin whose pages may use the API, or '*'; may be repeated [none]", "ORIGIN");
}

void ServeCommand::add_limit_options() {
  CLI::App& command = *command_;
  const std::string group = "Limits";
  server::ApiOptions& api = options_.api;
  const auto positive = CLI::Range(std::int64_t{1}, std::numeric_limits<std::int64_t>::max()).description("");
  add(command, group, "--auto-truncate", api.auto_truncate,
      "Cut inputs beyond the limit, and say so, unless a request forbids it [true]", "BOOL");
  add(command, group, "--max-concurrent-requests", api.max_concurrent_requests,
      "Requests worked on at once; further ones get 429 [512]", "N")
      ->check(positive);
  add(command, group, "--max-client-batch-size", api.max_client_batch_size, "Inputs of one request [2048]", "N")
      ->check(positive);
  add(command, group, "--max-batch-tokens", queue_.batch_tokens,
      "Tokens of a batch, which one thread computes [chosen]", "N")
      ->check(positive);
  add(command, group, "--max-queue-texts", queue_.max_texts, "Inputs that may wait for a model; beyond, 429 [4096]",
      "N")
      ->check(positive);
  add(command, group, "--max-queue-tokens", queue_.max_tokens, "Tokens that may wait for a model; beyond, 429 [131072]",
      "N")
      ->check(positive);
  add(command, group, "--tokenization-workers", queue_.tokenizer_threads,
      "Threads that tokenize, of each model [chosen]", "N")
      ->check(CLI::Range(1, 1024).description(""));
  add(command, group, "--payload-limit", options_.http.payload_limit,
      "Bytes of a request's body; beyond, 413 [2000000]", "BYTES");
  add(command, group, "--request-timeout", request_timeout_,
      "Seconds that a request may wait; a request's header x-request-timeout-ms comes first [no limit]", "SECONDS")
      ->check(CLI::Range(0.0, kMaxSeconds).description(""));
  add(command, group, "--drain-timeout", drain_limit_, "Seconds for accepted requests when the server is to stop [30]",
      "SECONDS")
      ->check(CLI::Range(0.0, kMaxSeconds).description(""));
}

void ServeCommand::add_connection_options() {
  CLI::App& command = *command_;
  const std::string group = "Connections";
  server::HttpOptions& http = options_.http;
  const auto some_seconds = CLI::Range(0.1, kMaxSeconds).description("");
  add(command, group, "--max-connections", http.max_connections, "Connections open at once [16384]", "N")
      ->check(CLI::Range(1, 1'000'000).description(""));
  add(command, group, "--header-limit", http.header_limit, "Bytes of request line and headers; beyond, 431 [16384]",
      "BYTES")
      ->check(CLI::Range(1'024, 1'048'576).description(""));
  add(command, group, "--header-timeout", header_timeout_, "For request line and headers; beyond, 408 [10]", "SECONDS")
      ->check(some_seconds);
  add(command, group, "--body-timeout", body_timeout_, "For a request's body; beyond, 408 [60]", "SECONDS")
      ->check(some_seconds);
  add(command, group, "--write-timeout", write_timeout_,
      "In which a client takes nothing of its answer; then the connection is closed [60]", "SECONDS")
      ->check(some_seconds);
  add(command, group, "--keep-alive-timeout", keep_alive_timeout_,
      "Of a connection without a request; then it is closed [75]", "SECONDS")
      ->check(some_seconds);
}

void ServeCommand::add_operation_options() {
  CLI::App& command = *command_;
  const std::string group = "Log and traces";
  command.add_flag("--json-output", json_output_, "Log JSON objects, a line each")
      ->envname("JSON_OUTPUT")
      ->group(group);
  add(command, group, "--log-level", log_level_, "debug, info, warn or error [info]", "LEVEL")
      ->check(one_of({"debug", "info", "warn", "error"}));
  add(command, group, "--otlp-endpoint", otlp_endpoint_, "Send traces to an OpenTelemetry collector over HTTP [none]",
      "URL");
  add(command, group, "--otlp-service-name", otlp_service_name_, "Their service.name [treble]", "NAME");
}

std::vector<server::ServedModelOptions> ServeCommand::resolve_models() const {
  if (models_.empty()) {
    fail(ErrorCode::invalid_argument, "no model was named; use --model MODEL, or set TREBLE_MODEL");
  }
  std::vector<server::ServedModelOptions> result;
  for (std::size_t i = 0; i < models_.size(); ++i) {
    server::ServedModelOptions one;
    one.name = one_of_each(names_, i, models_.size(), "--served-model-name", false);
    one.model = model_;
    one.model.model = models_[i];
    one.model.adapter = one_of_each(adapters_, i, models_.size(), "--adapter", false);
    const auto prompt =
        command_->count("--default-prompt-name") > 0 ? std::optional(default_prompt_name_) : std::nullopt;
    one.model.task = task_or_prompt(models_[i], one_of_each(tasks_, i, models_.size(), "--task", false), prompt);
    one.model.dtype = parse_dtype(dtype_);
    one.model.extension = parse_extension(extend_);
    const std::string temperature = one_of_each(temperatures_, i, models_.size(), "--temperature", true);
    if (!temperature.empty()) one.encode.temperature = Temperature::parse(temperature);
    const std::string state = one_of_each(states_, i, models_.size(), "--state", true);
    if (!state.empty()) one.encode.state = parse_state(state);
    if (!default_prompt_.empty()) one.encode.prompt = default_prompt_;
    if (command_->count("--default-prompt-name") > 0) one.encode.prompt_name = default_prompt_name_;
    one.ranges = read_ranges(one_of_each(ranges_, i, models_.size(), "--ranges", false));
    one.queue = queue_;
    result.push_back(std::move(one));
  }
  return result;
}

server::ServerOptions ServeCommand::resolve() const {
  server::ServerOptions options = options_;
  options.models = resolve_models();
  for (const std::string& profile : profiles_) {
    const std::size_t equals = profile.find('=');
    if (equals == std::string::npos || equals == 0) {
      fail(ErrorCode::invalid_argument, "--temperature-profile {}: write NAME=FILE", profile);
    }
    const std::string name = profile.substr(0, equals);
    options.api.profiles.insert_or_assign("match:" + name,
                                          Temperature::from_profile(read_profile(profile.substr(equals + 1)), name));
  }
  for (const std::string& key : options.api.api_keys) {
    if (key.empty()) fail(ErrorCode::invalid_argument, "--api-key is empty; leave it out to serve without a key");
  }
  options.http.header_timeout = milliseconds(header_timeout_);
  options.http.body_timeout = milliseconds(body_timeout_);
  options.http.write_timeout = milliseconds(write_timeout_);
  options.http.idle_timeout = milliseconds(keep_alive_timeout_);
  options.api.request_timeout = milliseconds(request_timeout_);
  options.api.max_batch_tokens = queue_.batch_tokens;
  options.api.tokenization_workers = queue_.tokenizer_threads;
  options.api.payload_limit = options.http.payload_limit;
  options.drain_limit = milliseconds(drain_limit_);
  options.operations.log = {.level = server::parse_log_level(log_level_), .json = json_output_};
  if (!otlp_endpoint_.empty()) {
    options.operations.tracing = {.endpoint = otlp_endpoint_, .service_name = otlp_service_name_};
  }
  return options;
}

int ServeCommand::run() {
  if (!config_.empty()) apply_config_file(*command_, config_);
  const server::ServerOptions options = resolve();
  const InterruptHandler interrupts(false);
  server::run_server(options, interrupts.token(), [this](const std::string& address) {
    if (!json_output_) say("listening on {}\n", address);  // The log says it as JSON.
  });
  return 0;
}

}  // namespace treble::cli
