// Many clients against a running `treble serve` (or, with --openai, a peer of it): is every vector right, is every
// request answered, how long does it take, and how does its throughput compare with `encode` on the same texts?
//
//   treble serve --model MODEL --port 3000 &
//   treble_server_load --model MODEL --port 3000 --server $! [--clients 256] [--seconds 300]
//
// benchmarks/server_scenarios.py runs it in the scenarios whose figures are in docs/operate.md.
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "clients.h"
#include "process_usage.h"
#include "texts.h"

namespace {

using nlohmann::json;
using treble::load::LoadPlan;
using treble::load::LoadResult;
using treble::load::Throughput;

struct Arguments {
  std::string model;
  std::string openai_model;
  int max_length = 0;
  bool interpolate = false;
  int texts = 1000;
  int shortest = 5;
  int longest = 2000;
  int seconds = 60;
  int terminate_after = 0;
  bool compare = false;
  LoadPlan plan;
};

json quantiles(std::vector<double> seconds) {
  if (seconds.empty()) return {{"count", 0}};
  std::ranges::sort(seconds);
  const auto at = [&](double q) {
    return 1e3 * seconds[static_cast<std::size_t>(q * static_cast<double>(seconds.size() - 1))];
  };
  return {{"count", seconds.size()}, {"p50_ms", at(0.5)}, {"p90_ms", at(0.9)}, {"p99_ms", at(0.99)}, {"max_ms", at(1)}};
}

double own_cpu_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

json report(const LoadResult& result) {
  json statuses = json::object();
  for (const auto& [status, count] : result.statuses) statuses[std::to_string(status)] = count;
  json minutely = json::array();
  for (const std::int64_t rss : result.minutely_rss) minutely.push_back(static_cast<double>(rss) / 1e6);
  return {{"statuses", statuses},
          {"wrong", result.wrong},
          {"hangs", result.hangs},
          {"unanswered", result.unanswered},
          {"refused", result.refused},
          {"left", result.left},
          {"max_difference", result.difference},
          {"wall_seconds", result.wall_seconds},
          {"texts_per_second", static_cast<double>(result.seconds.size()) / result.wall_seconds},
          {"answers", quantiles(result.seconds)},
          {"answers_to_short_texts", quantiles(result.short_seconds)},
          {"refusals", quantiles(result.refusal_seconds)},
          {"server_peak_rss_mb", static_cast<double>(result.peak_rss) / 1e6},
          {"server_rss_mb_each_minute", minutely}};
}

Arguments parse(int argc, char** argv) {
  Arguments arguments;
  auto& plan = arguments.plan;
  CLI::App app("Clients against a running `treble serve`");
  app.add_option("--model", arguments.model, "the folder that the server serves")->required();
  app.add_option("--max-length", arguments.max_length, "as of the server; 0: the model's");
  app.add_flag("--interpolate", arguments.interpolate, "as of a server with --extend interpolate");
  app.add_option("--openai", arguments.openai_model,
                 "name of the model: ask /v1/embeddings, of any server that has it");
  app.add_option("--port", plan.port, "of the server, on 127.0.0.1")->required();
  app.add_option("--server", plan.server, "its process id: its CPU time and memory are reported");
  app.add_option("--clients", plan.clients, "each with one request at a time")->capture_default_str();
  app.add_option("--rate", plan.requests_per_second, "requests a second at random times, instead of --clients");
  app.add_option("--seconds", arguments.seconds, "of load")->capture_default_str();
  app.add_option("--texts", arguments.texts, "texts that are not alike")->capture_default_str();
  app.add_option("--shortest", arguments.shortest, "tokens")->capture_default_str();
  app.add_option("--longest", arguments.longest, "tokens")->capture_default_str();
  app.add_option("--leave", plan.leave_share, "share of requests whose client leaves");
  app.add_option("--tolerance", plan.tolerance, "of a vector's component")->capture_default_str();
  app.add_flag("--normalize", plan.normalize, "vectors before they are compared: of peers that leave them as they are");
  app.add_option("--terminate-after", arguments.terminate_after, "seconds until the server gets SIGTERM");
  app.add_flag("--compare", arguments.compare, "with `encode` before and after");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    std::exit(app.exit(error));
  }
  if (!arguments.openai_model.empty()) plan.route = "/v1/embeddings";
  plan.duration = std::chrono::seconds(arguments.seconds);
  plan.terminate_after = std::chrono::seconds(arguments.terminate_after);
  return arguments;
}

void add_usage(json& result, const LoadPlan& plan, const treble::load::ProcessUsage& before, double client_cpu) {
  result["client_cpu_seconds"] = client_cpu;
  const auto after = treble::load::process_usage(plan.server);
  if (after.rss == 0) return;  // it has ended
  const double server_cpu = after.cpu_seconds - before.cpu_seconds;
  result["server_cpu_seconds"] = server_cpu;
  result["server_io_cpu_seconds"] = after.io_cpu_seconds - before.io_cpu_seconds;
  result["texts_per_server_cpu_second"] = result["answers"]["count"].get<double>() / server_cpu;
  result["server_rss_before_mb"] = static_cast<double>(before.rss) / 1e6;
  result["server_rss_after_mb"] = static_cast<double>(after.rss) / 1e6;
}

}  // namespace

int main(int argc, char** argv) {
  const Arguments arguments = parse(argc, argv);
  treble::ModelOptions model;
  model.model = arguments.model;
  if (arguments.max_length > 0) model.max_length = arguments.max_length;
  if (arguments.interpolate) model.extension = treble::PositionExtension::interpolate;
  const auto encoder = treble::SentenceEncoder::load(model);
  const auto texts = treble::load::make_texts(arguments.texts, arguments.shortest, arguments.longest);
  const auto load_texts = treble::load::with_vectors(encoder, texts, arguments.openai_model);

  std::vector<Throughput> encode;
  if (arguments.compare) encode.push_back(treble::load::encode_throughput(encoder, texts));
  const auto before = treble::load::process_usage(arguments.plan.server);
  const double cpu_before = own_cpu_seconds();
  const LoadResult result = treble::load::run_load(load_texts, arguments.plan);
  json output = report(result);
  add_usage(output, arguments.plan, before, own_cpu_seconds() - cpu_before);
  if (arguments.compare) {
    encode.push_back(treble::load::encode_throughput(encoder, texts));
    double wall = 0;
    double cpu = 0;
    for (const auto& run : encode) {
      wall += run.texts_per_second / 2;
      cpu += run.texts_per_cpu_second / 2;
    }
    output["encode_texts_per_second"] = wall;
    output["encode_texts_per_cpu_second"] = cpu;
  }
  std::cout << output.dump(1) << '\n';
  const bool answered = result.statuses.contains(200);
  return answered && result.wrong + result.hangs + result.unanswered == 0 ? 0 : 1;
}
