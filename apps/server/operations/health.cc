#include "operations/health.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

#include "treble/error.h"
#include "treble/sparse.h"

namespace treble::server {
namespace {

using TestClock = std::chrono::steady_clock;

/// A sentence that every tokenizer makes several tokens of.
constexpr std::string_view kText = "The health of a model is that it gives the same vector as before.";
constexpr double kTolerance = 1e-6;
constexpr std::array<const char*, 4> kStateNames = {"ready", "overloaded", "draining", "failed"};

std::string differences(const Embeddings& reference, const Embeddings& now) {
  if (now.values.size() != reference.values.size()) {
    return fmt::format("the self-test gave {} numbers where it gave {} at the start", now.values.size(),
                       reference.values.size());
  }
  double difference = 0;
  double scale = 1;
  for (std::size_t i = 0; i < now.values.size(); ++i) {
    if (!std::isfinite(now.values[i])) return "the self-test's vector has NaN or infinity in it";
    difference = std::max(difference, std::abs(double{now.values[i]} - double{reference.values[i]}));
    scale = std::max(scale, std::abs(double{reference.values[i]}));
  }
  if (difference <= kTolerance * scale) return {};
  return fmt::format("the self-test's vector differs from that of the start by {:.3g}", difference);
}

/// What an error of the test says of the model.
std::pair<ModelState, std::string> state_of(const Error& error) {
  switch (error.code()) {
    case ErrorCode::overloaded:
    case ErrorCode::deadline_exceeded:
      return {ModelState::overloaded, "the queue is full: the self-test found no place"};
    case ErrorCode::unavailable: return {ModelState::draining, "the server is stopping and takes no more requests"};
    default: return {ModelState::failed, fmt::format("the self-test failed: {}", error.what())};
  }
}

/// The weights of a model without dense vectors.
Embeddings sparse_weights(const SentenceEncoder& encoder, const EncodeOptions& options) {
  SparseVectors sparse = encode_sparse(encoder, std::array{kText}, {.encode = options});
  return {.count = 1,
          .dim = std::ssize(sparse.values),
          .values = std::move(sparse.values),
          .token_counts = std::move(sparse.token_counts)};
}

const char* name_of(ModelState state) { return kStateNames.at(static_cast<std::size_t>(state)); }

}  // namespace

HealthProbe make_health_probe(std::string model, const SentenceEncoder& encoder, RequestQueue& queue,
                              const EncodeOptions& options) {
  if (encoder.info().dim == 0) {
    return {std::move(model), sparse_weights(encoder, options), [&encoder, options](const SubmitOptions&) {
              return std::async(std::launch::async, [&encoder, options] { return sparse_weights(encoder, options); });
            }};
  }
  Embeddings reference = encoder.encode(std::array{kText}, options);
  return {std::move(model), std::move(reference), [&queue, options](const SubmitOptions& submit_options) {
            return queue.submit({std::string(kText)}, options, submit_options);
          }};
}

bool Health::ready() const noexcept {
  return std::ranges::all_of(models, [](const auto& model) {
    return model.state == ModelState::ready || model.state == ModelState::overloaded;
  });
}

std::string to_json(const Health& health) {
  nlohmann::ordered_json models = nlohmann::ordered_json::object();
  ModelState worst = ModelState::ready;
  for (const auto& [model, state, reason] : health.models) {
    models[model] = {{"status", name_of(state)}};
    if (!reason.empty()) models[model]["reason"] = reason;
    worst = std::max(worst, state);
  }
  return nlohmann::ordered_json{{"status", name_of(worst)}, {"models", models}}.dump(
      -1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

SelfTest::SelfTest(std::vector<HealthProbe> probes, const SelfTestOptions& options) : options_(options) {
  for (auto& probe : probes) {
    const std::string name = probe.model;
    models_.push_back({.probe = std::move(probe), .health = {.model = name}});
  }
  test_all(options_.limit);
  for (const auto& model : models_) {
    if (model.health.state == ModelState::ready) continue;
    throw Error(ErrorCode::internal,
                fmt::format("model \"{}\" is not ready: {}", model.health.model, model.health.reason));
  }
  publish();
  thread_ = std::thread([this] { run(); });
}

SelfTest::~SelfTest() {
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

void SelfTest::check(Callback callback) {
  std::unique_lock lock(mutex_);
  if (TestClock::now() - tested_ < options_.interval) {
    const Health health = health_;
    lock.unlock();
    callback(health);
    return;
  }
  callers_.push_back(std::move(callback));
  lock.unlock();
  changed_.notify_one();
}

std::vector<Sample> SelfTest::samples() {
  check([](const Health&) {});  // Prometheus asks again and again, so it sees what fails even if nobody asks /health.
  const std::scoped_lock lock(mutex_);
  return samples_;
}

void SelfTest::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return stopping_ || !callers_.empty(); });
    if (!stopping_) {
      lock.unlock();
      test_all(options_.patience);
      publish();
      lock.lock();
    }
    const auto callers = std::exchange(callers_, {});
    const Health health = health_;
    const bool last = stopping_;
    lock.unlock();
    for (const auto& caller : callers) caller(health);
    if (last) return;
    lock.lock();
  }
}

void SelfTest::test_all(std::chrono::milliseconds patience) {
  for (auto& model : models_) start(model);
  const auto end = TestClock::now() + patience;
  for (auto& model : models_) finish(model, end);
}

void SelfTest::start(Model& model) const {
  if (model.running) return;  // The last test has not been answered yet.
  model.started = TestClock::now();
  std::promise<Embeddings> refused;
  try {
    model.running = model.probe.submit({.deadline = model.started + options_.limit});
  } catch (...) {
    refused.set_exception(std::current_exception());
    model.running = refused.get_future();
  }
}

void SelfTest::finish(Model& model, TestClock::time_point end) const {
  auto& health = model.health;
  if (model.running->wait_until(end) != std::future_status::ready) {
    const auto age = TestClock::now() - model.started;
    if (age > 2 * options_.limit) {
      ++model.failed;
      health.state = ModelState::failed;
      health.reason = fmt::format("the self-test has not been answered for {} s",
                                  std::chrono::duration_cast<std::chrono::seconds>(age).count());
    } else if (health.state == ModelState::ready) {
      ++model.overloaded;
      health.state = ModelState::overloaded;
      health.reason = "the self-test waits for its turn";
    }
    return;
  }
  try {
    health.reason = differences(model.probe.reference, model.running->get());
    health.state = health.reason.empty() ? ModelState::ready : ModelState::failed;
  } catch (const Error& error) {
    std::tie(health.state, health.reason) = state_of(error);
  } catch (const std::exception& error) {
    health.state = ModelState::failed;
    health.reason = fmt::format("the self-test failed: {}", error.what());
  }
  model.running.reset();
  ++(health.state == ModelState::ready ? model.passed
                                       : (health.state == ModelState::failed ? model.failed : model.overloaded));
}

/// Makes the result of `test_all` the one that is given out.
void SelfTest::publish() {
  Health health;
  std::vector<Sample> samples;
  for (const auto& model : models_) {
    health.models.push_back(model.health);
    const auto& name = model.health.model;
    const bool ready = Health{{model.health}}.ready();
    samples.push_back({"treble_model_ready",
                       "1 while the model passes its self-test.",
                       SampleKind::gauge,
                       {{"model", name}},
                       ready ? 1.0 : 0.0});
    const auto count = [&](const char* outcome, std::uint64_t value) {
      samples.push_back({"treble_self_tests_total",
                         "Self-tests by how they ended.",
                         SampleKind::counter,
                         {{"model", name}, {"outcome", outcome}},
                         static_cast<double>(value)});
    };
    count("passed", model.passed);
    count("failed", model.failed);
    count("overloaded", model.overloaded);
  }
  const std::scoped_lock lock(mutex_);
  health_ = std::move(health);
  samples_ = std::move(samples);
  tested_ = TestClock::now();
}

}  // namespace treble::server
