// A request queue against batches, and a short text behind long ones.
//
//   treble_queue_bench MODEL [float32|bfloat16|int8] [threads] [rounds] [throughput|latency]
//
// throughput: 32 callers, each with one text of 16 tokens at a time, against one call of `encode` with all those texts;
// interleaved A/B, medians of rounds.
// latency: one caller with a text of 16 tokens at a time, alone, behind a stream of texts of 512 tokens of which 16 are
// always waiting or running, and the same in the order of arrival (overtaking = 1); interleaved.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <ctime>
#include <future>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "treble/request_queue.h"

namespace {

using treble::ComputeType;
using treble::RequestQueue;
using treble::SentenceEncoder;

constexpr int kCallers = 32;
constexpr int kTextsPerCaller = 12;
constexpr int kShortTokens = 16;
constexpr int kLongTokens = 512;
constexpr int kLongOnes = 16;
constexpr int kShortOnes = 25;

double seconds_now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// A text of `tokens` tokens, two of them special.
std::string text_of(int tokens, std::mt19937& random) {
  static const std::vector<std::string> kWords = {"the",    "city",  "river",  "with",   "small", "water",
                                                  "people", "time",  "music",  "school", "light", "green",
                                                  "house",  "north", "season", "game"};
  std::string text;
  for (int word = 0; word < tokens - 2; ++word) {
    text += kWords[std::uniform_int_distribution<std::size_t>(0, kWords.size() - 1)(random)] + " ";
  }
  return text;
}

double quantile(std::vector<double> values, double q) {
  std::sort(values.begin(), values.end());
  return values[static_cast<std::size_t>(q * static_cast<double>(values.size() - 1))];
}

/// Of the process, all threads together: what a busy machine changes little.
double cpu_seconds_now() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

void run_callers(RequestQueue& queue, const std::vector<std::string>& texts) {
  std::vector<std::thread> callers;
  for (int caller = 0; caller < kCallers; ++caller) {
    callers.emplace_back([&, caller] {
      for (int i = 0; i < kTextsPerCaller; ++i) {
        queue.submit({texts[static_cast<std::size_t>(caller * kTextsPerCaller + i)]}).get();
      }
    });
  }
  for (auto& caller : callers) caller.join();
}

struct Times {
  double wall = 0;
  double cpu = 0;
};

template <typename Work>
Times time_of(const Work& work) {
  const Times start{seconds_now(), cpu_seconds_now()};
  work();
  return {seconds_now() - start.wall, cpu_seconds_now() - start.cpu};
}

nlohmann::json throughput(const SentenceEncoder& encoder, int rounds) {
  std::mt19937 random(1);
  std::vector<std::string> texts(kCallers * kTextsPerCaller);
  for (auto& text : texts) text = text_of(kShortTokens, random);
  const std::vector<std::string_view> views(texts.begin(), texts.end());
  RequestQueue queue(encoder);
  std::vector<double> batch;
  std::vector<double> queued;
  std::vector<double> shares;
  std::vector<double> cpu_shares;
  for (int round = 0; round <= rounds; ++round) {
    const Times batch_times = time_of([&] { encoder.encode(views); });
    const Times queue_times = time_of([&] { run_callers(queue, texts); });
    if (round == 0) continue;  // warms up
    batch.push_back(static_cast<double>(texts.size()) / batch_times.wall);
    queued.push_back(static_cast<double>(texts.size()) / queue_times.wall);
    shares.push_back(batch_times.wall / queue_times.wall);
    cpu_shares.push_back(batch_times.cpu / queue_times.cpu);
  }
  const auto batches = queue.statistics().batch_texts;
  return {{"batch_texts_per_second", quantile(batch, 0.5)},
          {"queue_texts_per_second", quantile(queued, 0.5)},
          {"share", quantile(shares, 0.5)},
          {"share_min", quantile(shares, 0)},
          {"share_max", quantile(shares, 1)},
          {"cpu_share", quantile(cpu_shares, 0.5)},
          {"texts_per_batch", batches.sum / static_cast<double>(batches.count)}};
}

/// Keeps `count` long texts in the queue until it is stopped.
class Stream {
 public:
  Stream(RequestQueue& queue, std::string text, int count) : queue_(queue), text_(std::move(text)) {
    for (int i = 0; i < count; ++i) send();
  }
  void stop() { stopping_ = true; }

 private:
  void send() {
    queue_.submit({text_}, {}, {}, [this](const treble::Answer&) {
      if (!stopping_) send();
    });
  }
  RequestQueue& queue_;
  std::string text_;
  std::atomic<bool> stopping_{false};
};

/// Seconds of each short text.
std::vector<double> short_latencies(const SentenceEncoder& encoder, int long_ones, std::int64_t overtaking) {
  std::mt19937 random(2);
  RequestQueue queue(encoder, {.overtaking = overtaking});
  Stream stream(queue, text_of(kLongTokens, random), long_ones);
  std::vector<double> latencies;
  for (int i = 0; i < kShortOnes; ++i) {
    const std::string text = text_of(kShortTokens, random);
    const double start = seconds_now();
    queue.submit({text}).get();
    latencies.push_back(seconds_now() - start);
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 5000));
  }
  stream.stop();
  queue.drain();
  return latencies;
}

nlohmann::json latency(const SentenceEncoder& encoder, int rounds) {
  std::mt19937 random(3);
  const std::string long_text = text_of(kLongTokens, random);
  const std::string_view view = long_text;
  std::map<std::string, std::vector<double>> seconds;
  std::vector<double> one_long;
  for (int round = 0; round < rounds; ++round) {
    const auto add = [&](const char* name, const std::vector<double>& more) {
      seconds[name].insert(seconds[name].end(), more.begin(), more.end());
    };
    add("alone", short_latencies(encoder, 0, 32));
    add("behind_long", short_latencies(encoder, kLongOnes, 32));
    add("behind_long_in_order_of_arrival", short_latencies(encoder, kLongOnes, 1));
    const double start = seconds_now();
    encoder.encode({&view, 1});
    one_long.push_back(seconds_now() - start);
  }
  nlohmann::json result = {{"one_long_text_on_all_threads_ms", 1e3 * quantile(one_long, 0.5)}};
  for (const auto& [name, values] : seconds) {
    result[name] = {{"p50_ms", 1e3 * quantile(values, 0.5)},
                    {"p99_ms", 1e3 * quantile(values, 0.99)},
                    {"max_ms", 1e3 * quantile(values, 1)}};
  }
  return result;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::cerr << "usage: treble_queue_bench MODEL [float32|bfloat16|int8] [threads] [rounds] [throughput|latency]\n";
    return 64;
  }
  const std::map<std::string, ComputeType> types = {
      {"float32", ComputeType::float32}, {"bfloat16", ComputeType::bfloat16}, {"int8", ComputeType::int8}};
  treble::ModelOptions model;
  model.model = argv[1];
  model.max_length = kLongTokens;
  if (argc > 2) model.dtype = types.at(argv[2]);
  if (argc > 3) model.threads = std::atoi(argv[3]);
  const int rounds = argc > 4 ? std::atoi(argv[4]) : 7;
  const auto encoder = SentenceEncoder::load(model);
  std::mt19937 random(1);
  for (const int tokens : {kShortTokens, kLongTokens}) {
    const std::string text = text_of(tokens, random);
    const std::string_view view = text;
    if (encoder.count_tokens({&view, 1}).front().tokens == tokens) continue;
    std::cerr << "this model's tokenizer splits the benchmark's words: its texts are not of " << tokens << " tokens\n";
    return 65;
  }
  const auto& info = encoder.info();
  nlohmann::json result = {
      {"model", info.name}, {"dtype", info.compute_dtype}, {"cpu_isa", info.cpu_isa}, {"threads", info.threads}};
  const std::string_view part = argc > 5 ? argv[5] : "";
  if (part != "latency") result["throughput"] = throughput(encoder, rounds);
  if (part != "throughput") result["latency"] = latency(encoder, rounds);
  std::cout << result.dump(1) << '\n';
  return 0;
}
