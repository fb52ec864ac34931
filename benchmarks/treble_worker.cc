// Treble in a process of its own for benchmarks/bench_peers.py; the protocol stands in benchmarks/peers/process.py.
#include <CLI/CLI.hpp>
#include <chrono>
#include <fstream>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "treble/error.h"
#include "treble/sentence_encoder.h"

namespace {

using Json = nlohmann::json;

double seconds_now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// Peak resident memory of this process; with "VmRSS:" the current one.
double status_mib(std::string_view field) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(field)) return std::stod(line.substr(field.size())) / 1024;
  }
  return 0;
}

std::vector<std::string> read_lines(const std::string& path) {
  std::vector<std::string> lines;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  return lines;
}

void reply(const Json& json) { std::cout << json.dump() << std::endl; }

Json run(const treble::SentenceEncoder& encoder, const treble::EncodeOptions& options, const Json& command) {
  const auto lines = read_lines(command.at("texts").get<std::string>());
  const std::vector<std::string_view> texts(lines.begin(), lines.end());
  std::vector<float> values;
  Json answer;
  if (command.at("single").get<bool>()) {
    answer["latencies"] = Json::array();
    for (const auto& text : texts) {
      const double start = seconds_now();
      const auto one = encoder.encode({&text, 1}, options);
      answer["latencies"].push_back(seconds_now() - start);
      values.insert(values.end(), one.values.begin(), one.values.end());
    }
  } else {
    const double start = seconds_now();
    auto all = encoder.encode(texts, options);
    answer["seconds"] = seconds_now() - start;
    values = std::move(all.values);
  }
  if (command.contains("out") && command["out"].is_string()) {
    std::ofstream out(command["out"].get<std::string>(), std::ios::binary);
    out.write(reinterpret_cast<const char*>(values.data()),
              static_cast<std::streamsize>(values.size() * sizeof(float)));
  }
  answer["peak_mib"] = status_mib("VmHWM:");
  answer["rss_mib"] = status_mib("VmRSS:");
  return answer;
}

struct Arguments {
  treble::ModelOptions model;
  std::string temperature = "1";
  std::int64_t batch_tokens = 0;
};

Arguments parse(int argc, char** argv) {
  using treble::ComputeType;
  using treble::PositionExtension;
  Arguments arguments;
  CLI::App app("Treble behind the benchmark's protocol");
  const std::map<std::string, PositionExtension> extensions = {{"none", PositionExtension::none},
                                                               {"interpolate", PositionExtension::interpolate}};
  app.add_option("--model", arguments.model.model)->required();
  app.add_option("--threads", arguments.model.threads);
  app.add_option("--max-length", arguments.model.max_length);
  app.add_option("--extend", arguments.model.extension)->transform(CLI::CheckedTransformer(extensions));
  app.add_option("--temperature", arguments.temperature);
  app.add_option("--batch-tokens", arguments.batch_tokens);
  const std::map<std::string, ComputeType> types = {{"float32", ComputeType::float32},
                                                    {"bfloat16", ComputeType::bfloat16},
                                                    {"int8", ComputeType::int8},
                                                    {"auto", ComputeType::automatic}};
  app.add_option("--dtype", arguments.model.dtype)->transform(CLI::CheckedTransformer(types));
  app.parse(argc, argv);
  return arguments;
}

int serve(const Arguments& arguments) {
  const auto encoder = treble::SentenceEncoder::load(arguments.model);
  treble::EncodeOptions options;
  options.temperature = treble::Temperature::parse(arguments.temperature);
  options.batch_tokens = arguments.batch_tokens;
  const std::string_view first = "a letter from the harbour";
  encoder.encode({&first, 1}, options);
  reply({{"ready", true},
         {"peak_mib", status_mib("VmHWM:")},
         {"compute_dtype", to_string(encoder.info().compute_dtype)}});
  for (std::string line; std::getline(std::cin, line);) {
    const auto command = Json::parse(line);
    // The engine chooses its batches itself.
    reply(command.at("do") == "tune" ? Json{{"batch_size", nullptr}} : run(encoder, options, command));
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return serve(parse(argc, argv));
  } catch (const CLI::ParseError& error) {
    std::cerr << error.what() << '\n';
    return 64;
  } catch (const treble::Error& error) {
    reply({{"unavailable", error.what()}});
    return 0;
  }
}
