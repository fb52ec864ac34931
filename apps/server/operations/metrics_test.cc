#include "operations/metrics.h"

#include <gtest/gtest.h>

#include <ctime>
#include <map>
#include <set>
#include <sstream>
#include <thread>

namespace treble::server {
namespace {

const MetricsLabels kLabels = {
    {{"POST", "/embed"}, {"GET", "/health"}}, {"mini", "large"}, {"overloaded", "text_too_long"}};

/// Series and their values, of Prometheus's text format; a TYPE line twice for one name fails.
std::map<std::string, double> read(const std::string& text) {
  std::map<std::string, double> series;
  std::set<std::string> types;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) {
    if (line.starts_with("# TYPE ")) {
      EXPECT_TRUE(types.insert(line.substr(0, line.rfind(' '))).second) << line;
    }
    if (line.empty() || line.starts_with('#')) continue;
    const auto space = line.rfind(' ');
    EXPECT_TRUE(series.emplace(line.substr(0, space), std::stod(line.substr(space + 1))).second) << "twice: " << line;
  }
  return series;
}

std::vector<std::string> names(const std::map<std::string, double>& series) {
  std::vector<std::string> result;
  for (const auto& [name, value] : series) result.push_back(name);
  return result;
}

RequestRecord embed_record() {
  RequestRecord record;
  record.method = "POST";
  record.route = "/embed";
  record.model = "mini";
  record.status = 200;
  record.total_seconds = 0.02;
  record.queue_seconds = 0.003;
  record.texts = 2;
  record.characters = 40;
  record.tokens = 12;
  record.text_tokens = {4, 8};
  record.truncated_texts = 1;
  record.truncated_tokens = 3;
  record.request_bytes = 100;
  record.response_bytes = 3000;
  return record;
}

TEST(Metrics, EverythingIsThereAtZero) {
  const Metrics metrics(kLabels);
  const auto series = read(metrics.text());
  for (const char* name :
       {R"(treble_http_requests_total{method="POST",route="/embed",status="2xx"})",
        R"(treble_http_requests_total{method="GET",route="/health",status="5xx"})",
        R"(treble_http_requests_total{method="other",route="other",status="4xx"})",
        R"(treble_http_request_duration_seconds_count{method="POST",route="/embed"})",
        R"(treble_texts_total{model="large"})", R"(te_request_count{method="single"})",
        R"(te_request_failure{err="overloaded"})", R"(te_request_failure{err="other"})", "te_embed_count",
        "te_request_duration_count", R"(te_request_input_length_bucket{le="+Inf"})"}) {
    ASSERT_TRUE(series.contains(name)) << name << "\n" << metrics.text();
    EXPECT_EQ(series.at(name), 0) << name;
  }
}

TEST(Metrics, CountsARequest) {
  Metrics metrics(kLabels);
  metrics.observe(embed_record());
  const auto series = read(metrics.text());
  EXPECT_EQ(series.at(R"(treble_http_requests_total{method="POST",route="/embed",status="2xx"})"), 1);
  EXPECT_EQ(series.at(R"(treble_http_request_bytes_total{method="POST",route="/embed"})"), 100);
  EXPECT_EQ(series.at(R"(treble_http_response_bytes_total{method="POST",route="/embed"})"), 3000);
  EXPECT_EQ(series.at(R"(treble_texts_total{model="mini"})"), 2);
  EXPECT_EQ(series.at(R"(treble_texts_total{model="large"})"), 0);
  EXPECT_EQ(series.at(R"(treble_characters_total{model="mini"})"), 40);
  EXPECT_EQ(series.at(R"(treble_tokens_total{model="mini"})"), 12);
  EXPECT_EQ(series.at(R"(treble_truncated_texts_total{model="mini"})"), 1);
  EXPECT_EQ(series.at(R"(treble_truncated_tokens_total{model="mini"})"), 3);
  EXPECT_EQ(series.at(R"(te_request_count{method="batch"})"), 1);
  EXPECT_EQ(series.at(R"(te_request_success{method="batch"})"), 1);
  EXPECT_EQ(series.at("te_embed_success"), 2);
  EXPECT_EQ(series.at(R"(te_request_duration_bucket{le="0.01"})"), 0);
  EXPECT_EQ(series.at(R"(te_request_duration_bucket{le="0.025"})"), 1);
  EXPECT_EQ(series.at("te_request_queue_duration_sum"), 0.003);
  EXPECT_EQ(series.at(R"(te_request_input_length_bucket{le="4"})"), 1);
  EXPECT_EQ(series.at("te_request_input_length_count"), 2);
}

TEST(Metrics, CountsAFailure) {
  Metrics metrics(kLabels);
  auto record = embed_record();
  record.status = 429;
  record.error_type = "overloaded";
  record.text_tokens = {};
  metrics.observe(record);
  const auto series = read(metrics.text());
  EXPECT_EQ(series.at(R"(treble_http_requests_total{method="POST",route="/embed",status="4xx"})"), 1);
  EXPECT_EQ(series.at(R"(te_request_failure{err="overloaded"})"), 1);
  EXPECT_EQ(series.at(R"(te_request_count{method="batch"})"), 1);
  EXPECT_EQ(series.at(R"(te_request_success{method="batch"})"), 0);
  EXPECT_EQ(series.at("te_request_duration_count"), 0);
}

TEST(Metrics, NoRequestAddsASeries) {
  Metrics metrics(kLabels);
  const auto before = names(read(metrics.text()));
  for (int i = 0; i < 100; ++i) {
    auto record = embed_record();
    record.method = "M" + std::to_string(i);
    record.route = "/made-up/" + std::to_string(i);
    record.model = "model" + std::to_string(i);
    record.error_type = "type" + std::to_string(i);
    record.status = 100 * (i % 10);
    metrics.observe(record);
  }
  const auto after = read(metrics.text());
  EXPECT_EQ(names(after), before);
  EXPECT_EQ(after.at(R"(treble_http_request_duration_seconds_count{method="other",route="other"})"), 100);
  EXPECT_EQ(after.at(R"(treble_texts_total{model="other"})"), 200);
  EXPECT_EQ(after.at(R"(te_request_failure{err="other"})"), 60);
}

TEST(Metrics, SourcesOfSeveralModelsMakeOneFamily) {
  Metrics metrics(kLabels);
  QueueStatistics statistics;
  statistics.waiting_texts = 7;
  statistics.expired = 3;
  statistics.batch_tokens = {{16, 64}, {1, 2, 4}, 7, 500};
  for (const char* model : {"mini", "large"}) {
    metrics.add_source([model, statistics] { return queue_samples(model, statistics); });
  }
  const auto series = read(metrics.text());
  EXPECT_EQ(series.at(R"(te_queue_size{model="mini"})"), 7);
  EXPECT_EQ(series.at(R"(te_queue_size{model="large"})"), 7);
  EXPECT_EQ(series.at(R"(treble_queue_requests_total{model="mini",outcome="expired"})"), 3);
  EXPECT_EQ(series.at(R"(treble_queue_requests_total{model="mini",outcome="overloaded"})"), 0);
  EXPECT_EQ(series.at(R"(te_batch_next_tokens_bucket{model="mini",le="16"})"), 1);
  EXPECT_EQ(series.at(R"(te_batch_next_tokens_bucket{model="mini",le="64"})"), 3);
  EXPECT_EQ(series.at(R"(te_batch_next_tokens_bucket{model="mini",le="+Inf"})"), 7);
  EXPECT_EQ(series.at(R"(te_batch_next_tokens_count{model="mini"})"), 7);
  EXPECT_EQ(series.at(R"(te_batch_next_tokens_sum{model="mini"})"), 500);
}

TEST(Metrics, TheProcess) {
  const auto series = read(Metrics(kLabels).text());
  EXPECT_GT(series.at("process_resident_memory_bytes"), 1e6);
  EXPECT_GE(series.at("process_virtual_memory_bytes"), series.at("process_resident_memory_bytes"));
  EXPECT_GE(series.at("process_threads"), 1);
  EXPECT_GE(series.at("process_open_fds"), 3);
  EXPECT_GT(series.at("process_max_fds"), series.at("process_open_fds"));
  EXPECT_GE(series.at("process_cpu_seconds_total"), 0);
  const auto age = static_cast<double>(std::time(nullptr)) - series.at("process_start_time_seconds");
  EXPECT_GE(age, -2);
  EXPECT_LE(age, 3600);
}

TEST(Metrics, OfConnections) {
  Metrics metrics(kLabels);
  metrics.add_source([] { return http_samples({.connections = 5, .accepted = 9, .timed_out = 2, .clients_gone = 1}); });
  const auto series = read(metrics.text());
  EXPECT_EQ(series.at("treble_http_connections"), 5);
  EXPECT_EQ(series.at("treble_http_accepted_connections_total"), 9);
  EXPECT_EQ(series.at("treble_http_timed_out_connections_total"), 2);
  EXPECT_EQ(series.at("treble_http_clients_gone_total"), 1);
}

TEST(Metrics, ManyThreadsLoseNothing) {
  Metrics metrics(kLabels);
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&metrics] {
        for (int j = 0; j < 1000; ++j) {
          metrics.observe(embed_record());
          if (j % 500 == 0) static_cast<void>(metrics.text());
        }
      });
    }
  }
  EXPECT_EQ(read(metrics.text()).at(R"(treble_tokens_total{model="mini"})"), 48'000);
}

}  // namespace
}  // namespace treble::server
