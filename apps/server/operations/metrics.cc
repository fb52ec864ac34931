#include "operations/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <array>
#include <map>
#include <mutex>

#include "treble/version.h"

namespace treble::server {
namespace {

using PrometheusHistogram = prometheus::Histogram;
using Counters = prometheus::Family<prometheus::Counter>;

const char* const kOther = "other";
const std::array<const char*, 4> kStatusClasses = {"2xx", "3xx", "4xx", "5xx"};

/// Upper bounds, fixed: a server's metrics never grow.
const PrometheusHistogram::BucketBoundaries kSeconds = {0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1,
                                                        0.25,   0.5,   1,      2.5,   5,    10,    30,   60};
const PrometheusHistogram::BucketBoundaries kTokens = {1,   2,   4,    8,    16,   32,   64,    128,
                                                       256, 512, 1024, 2048, 4096, 8192, 16384, 32768};

/// The series of one route.
struct RouteSeries {
  std::array<prometheus::Counter*, kStatusClasses.size()> requests = {};  ///< by class of status
  PrometheusHistogram* seconds = nullptr;
  prometheus::Counter* request_bytes = nullptr;
  prometheus::Counter* response_bytes = nullptr;
};

/// The series of one model.
struct ModelSeries {
  prometheus::Counter* texts = nullptr;
  prometheus::Counter* characters = nullptr;
  prometheus::Counter* tokens = nullptr;
  prometheus::Counter* truncated_texts = nullptr;
  prometheus::Counter* truncated_tokens = nullptr;
};

/// The series that text-embeddings-inference has under the same names.
struct TeiSeries {
  std::map<std::string, prometheus::Counter*> failures;  ///< by error type
  std::array<prometheus::Counter*, 2> requests = {};     ///< [0]: of one text, [1]: of several
  std::array<prometheus::Counter*, 2> successes = {};    ///< the same
  prometheus::Counter* texts = nullptr;                  ///< of all requests
  prometheus::Counter* encoded_texts = nullptr;          ///< of requests that succeeded
  std::array<PrometheusHistogram*, 4> seconds = {};      ///< all, tokenization, queue, inference
  PrometheusHistogram* tokens = nullptr;                 ///< of a text
};

Counters& counters(prometheus::Registry& registry, const char* name, const char* help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(registry);
}

PrometheusHistogram& histogram_of(prometheus::Registry& registry, const char* name, const char* help,
                                  const PrometheusHistogram::BucketBoundaries& bounds) {
  return prometheus::BuildHistogram().Name(name).Help(help).Register(registry).Add({}, bounds);
}

std::map<std::pair<std::string, std::string>, RouteSeries> make_routes(prometheus::Registry& registry,
                                                                       std::vector<MetricsRoute> routes) {
  auto& requests = counters(registry, "treble_http_requests_total", "Answered requests by route and class of status.");
  auto& seconds = prometheus::BuildHistogram()
                      .Name("treble_http_request_duration_seconds")
                      .Help("Time from a request's first byte until its answer was made.")
                      .Register(registry);
  auto& request_bytes = counters(registry, "treble_http_request_bytes_total", "Bytes of request bodies.");
  auto& response_bytes = counters(registry, "treble_http_response_bytes_total", "Bytes of response bodies.");
  routes.push_back({kOther, kOther});
  std::map<std::pair<std::string, std::string>, RouteSeries> result;
  for (const auto& [method, pattern] : routes) {
    RouteSeries& series = result[{method, pattern}];
    const prometheus::Labels labels = {{"method", method}, {"route", pattern}};
    for (std::size_t i = 0; i < kStatusClasses.size(); ++i) {
      prometheus::Labels with_status = labels;
      with_status["status"] = kStatusClasses[i];
      series.requests[i] = &requests.Add(with_status);
    }
    series.seconds = &seconds.Add(labels, kSeconds);
    series.request_bytes = &request_bytes.Add(labels);
    series.response_bytes = &response_bytes.Add(labels);
  }
  return result;
}

std::map<std::string, ModelSeries> make_models(prometheus::Registry& registry, std::vector<std::string> models) {
  auto& texts = counters(registry, "treble_texts_total", "Texts of answered requests.");
  auto& characters = counters(registry, "treble_characters_total", "Unicode characters of these texts.");
  auto& tokens = counters(registry, "treble_tokens_total", "Tokens of these texts that the model read.");
  auto& truncated_texts =
      counters(registry, "treble_truncated_texts_total", "Texts that were cut to the model's length.");
  auto& truncated_tokens = counters(registry, "treble_truncated_tokens_total", "Tokens that were cut off.");
  models.emplace_back(kOther);
  std::map<std::string, ModelSeries> result;
  for (const auto& model : models) {
    const prometheus::Labels labels = {{"model", model}};
    result[model] = {&texts.Add(labels), &characters.Add(labels), &tokens.Add(labels), &truncated_texts.Add(labels),
                     &truncated_tokens.Add(labels)};
  }
  return result;
}

TeiSeries make_tei(prometheus::Registry& registry, std::vector<std::string> error_types) {
  TeiSeries series;
  auto& requests = counters(registry, "te_request_count", "Requests to a model that were answered.");
  auto& successes = counters(registry, "te_request_success", "Requests to a model that succeeded.");
  for (const std::size_t batch : {0U, 1U}) {
    const prometheus::Labels labels = {{"method", batch == 0 ? "single" : "batch"}};
    series.requests.at(batch) = &requests.Add(labels);
    series.successes.at(batch) = &successes.Add(labels);
  }
  auto& failures = counters(registry, "te_request_failure", "Requests that failed, by kind of error.");
  error_types.emplace_back(kOther);
  for (const auto& type : error_types) series.failures[type] = &failures.Add({{"err", type}});
  series.texts = &counters(registry, "te_embed_count", "Texts of requests to a model.").Add({});
  series.encoded_texts = &counters(registry, "te_embed_success", "Texts of requests that succeeded.").Add({});
  series.seconds = {&histogram_of(registry, "te_request_duration", "Seconds of a request that succeeded.", kSeconds),
                    &histogram_of(registry, "te_request_tokenization_duration", "Seconds of tokenization.", kSeconds),
                    &histogram_of(registry, "te_request_queue_duration", "Seconds of waiting for a batch.", kSeconds),
                    &histogram_of(registry, "te_request_inference_duration", "Seconds in the model.", kSeconds)};
  series.tokens = &histogram_of(registry, "te_request_input_length", "Tokens of a text.", kTokens);
  return series;
}

void count_tei(const TeiSeries& series, const RequestRecord& record) {
  const std::size_t batch = record.texts > 1 ? 1 : 0;
  series.requests.at(batch)->Increment();
  series.texts->Increment(static_cast<double>(record.texts));
  if (record.status >= 400) return;
  series.successes.at(batch)->Increment();
  series.encoded_texts->Increment(static_cast<double>(record.texts));
  series.seconds[0]->Observe(record.total_seconds);
  series.seconds[1]->Observe(record.tokenization_seconds);
  series.seconds[2]->Observe(record.queue_seconds);
  series.seconds[3]->Observe(record.inference_seconds);
  for (const std::int64_t tokens : record.text_tokens) series.tokens->Observe(static_cast<double>(tokens));
}

prometheus::ClientMetric to_metric(const Sample& sample) {
  prometheus::ClientMetric metric;
  for (const auto& [name, value] : sample.labels) metric.label.push_back({name, value});
  metric.counter.value = sample.value;
  metric.gauge.value = sample.value;
  std::uint64_t cumulative = 0;
  for (std::size_t i = 0; i < sample.histogram.upper_bounds.size(); ++i) {
    cumulative += sample.histogram.counts[i];
    metric.histogram.bucket.push_back({cumulative, sample.histogram.upper_bounds[i]});
  }
  metric.histogram.sample_count = sample.histogram.count;
  metric.histogram.sample_sum = sample.histogram.sum;
  return metric;
}

prometheus::MetricType to_type(SampleKind kind) {
  switch (kind) {
    case SampleKind::counter: return prometheus::MetricType::Counter;
    case SampleKind::gauge: return prometheus::MetricType::Gauge;
    case SampleKind::histogram: return prometheus::MetricType::Histogram;
  }
  return prometheus::MetricType::Untyped;
}

}  // namespace

struct Metrics::Impl {
  explicit Impl(const MetricsLabels& labels)
      : routes(make_routes(registry, labels.routes)),
        models(make_models(registry, labels.models)),
        tei(make_tei(registry, labels.error_types)) {
    prometheus::BuildGauge()
        .Name("treble_build_info")
        .Help("1; what is running, in its labels.")
        .Register(registry)
        .Add({{"version", version()}, {"commit", git_commit()}})
        .Set(1);
  }

  prometheus::Registry registry;
  std::map<std::pair<std::string, std::string>, RouteSeries> routes;
  std::map<std::string, ModelSeries> models;
  TeiSeries tei;
  mutable std::mutex mutex;     ///< of `sources`
  std::vector<Source> sources;  ///< besides the registry
};

Metrics::Metrics(const MetricsLabels& labels) : impl_(std::make_unique<Impl>(labels)) { add_source(process_samples); }

Metrics::~Metrics() = default;

void Metrics::observe(const RequestRecord& record) {
  const auto route = impl_->routes.find({record.method, record.route});
  const RouteSeries& series = route == impl_->routes.end() ? impl_->routes.at({kOther, kOther}) : route->second;
  const int status_class = std::clamp(record.status / 100, 2, 5) - 2;
  series.requests.at(static_cast<std::size_t>(status_class))->Increment();
  series.seconds->Observe(record.total_seconds);
  series.request_bytes->Increment(static_cast<double>(record.request_bytes));
  series.response_bytes->Increment(static_cast<double>(record.response_bytes));
  if (record.status >= 400) {
    const auto failure = impl_->tei.failures.find(record.error_type);
    (failure == impl_->tei.failures.end() ? impl_->tei.failures.at(kOther) : failure->second)->Increment();
  }
  if (record.model.empty()) return;
  count_tei(impl_->tei, record);
  const auto model = impl_->models.find(record.model);
  const ModelSeries& counts = model == impl_->models.end() ? impl_->models.at(kOther) : model->second;
  counts.texts->Increment(static_cast<double>(record.texts));
  counts.characters->Increment(static_cast<double>(record.characters));
  counts.tokens->Increment(static_cast<double>(record.tokens));
  counts.truncated_texts->Increment(static_cast<double>(record.truncated_texts));
  counts.truncated_tokens->Increment(static_cast<double>(record.truncated_tokens));
}

void Metrics::add_source(Source source) {
  const std::scoped_lock lock(impl_->mutex);
  impl_->sources.push_back(std::move(source));
}

std::string Metrics::text() const {
  std::map<std::string, prometheus::MetricFamily> sampled;  // By name: a family has samples of several sources.
  {
    const std::scoped_lock lock(impl_->mutex);
    for (const auto& source : impl_->sources) {
      for (const Sample& sample : source()) {
        auto& family = sampled[sample.name];
        if (family.metric.empty()) family = {sample.name, sample.help, to_type(sample.kind), {}};
        family.metric.push_back(to_metric(sample));
      }
    }
  }
  auto families = impl_->registry.Collect();
  for (auto& [name, family] : sampled) families.push_back(std::move(family));
  std::ranges::sort(families, {}, &prometheus::MetricFamily::name);
  return prometheus::TextSerializer().Serialize(families);
}

}  // namespace treble::server
