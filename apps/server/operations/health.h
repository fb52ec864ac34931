// Whether each model still gives the vectors that it gave at the start: what readiness means.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <future>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "operations/samples.h"
#include "treble/request_queue.h"
#include "treble/sentence_encoder.h"

namespace treble::server {

/// How a model is tested: one text, whose vector is known.
struct HealthProbe {
  std::string model;                                                    ///< the served name
  Embeddings reference;                                                 ///< of the text
  std::function<std::future<Embeddings>(const SubmitOptions&)> submit;  ///< asks for it again
};

/// The probe of a served model: `reference` by SentenceEncoder::encode, then always through the queue, with the options
/// that the model is served with. Of a model without dense vectors, whose calls have no queue, the weights of
/// encode_sparse. Encoder and queue must outlive the probe.
HealthProbe make_health_probe(std::string model, const SentenceEncoder& encoder, RequestQueue& queue,
                              const EncodeOptions& options);

enum class ModelState {
  ready,       ///< its vector is finite and equal to the reference within 1e-6
  overloaded,  ///< ready, but the test found no place in the queue or did not run in time
  draining,    ///< not ready: its queue takes no more requests
  failed,      ///< not ready: another vector, none at all, or an error
};

struct ModelHealth {
  std::string model;
  ModelState state = ModelState::ready;
  std::string reason = {};  ///< empty when `ready`
};

struct Health {
  std::vector<ModelHealth> models;
  /// No model is draining or failed.
  bool ready() const noexcept;
};

/// {"status": "ready", "models": {"mini": {"status": "ready"}}}; with "reason" where there is one.
std::string to_json(const Health& health);

struct SelfTestOptions {
  std::chrono::milliseconds interval{1000};  ///< tests are that far apart; calls in between get the last result
  std::chrono::milliseconds patience{500};   ///< that a call waits for a test that it started
  std::chrono::milliseconds limit{30'000};   ///< a test that waited so long in the queue is given up; one not answered
                                             ///< after twice this has failed
};

/// Threads: all functions may be called from any thread.
class SelfTest {
 public:
  using Callback = std::function<void(const Health&)>;

  /// Tests each model once. Throws Error{internal} naming the model when it is not ready.
  explicit SelfTest(std::vector<HealthProbe> probes, const SelfTestOptions& options = {});
  /// Answers who waits with the last result.
  ~SelfTest();
  SelfTest(const SelfTest&) = delete;
  SelfTest& operator=(const SelfTest&) = delete;

  /// Calls `callback` once: at once with a result that is young enough, else after a new test, on a thread of the
  /// self-test, within `patience`. A model whose test has not ended by then has the state it had, or `overloaded`.
  void check(Callback callback);

  /// treble_model_ready and treble_self_tests_total by model, of the last test. Has a new one begun when that is old.
  std::vector<Sample> samples();

 private:
  struct Model {
    HealthProbe probe;
    std::optional<std::future<Embeddings>> running = {};
    std::chrono::steady_clock::time_point started = {};  ///< of `running`
    ModelHealth health = {};
    std::uint64_t passed = 0;  ///< tests, as the following
    std::uint64_t failed = 0;
    std::uint64_t overloaded = 0;
  };

  void run();
  void test_all(std::chrono::milliseconds patience);
  void start(Model& model) const;
  void finish(Model& model, std::chrono::steady_clock::time_point end) const;
  void publish();

  const SelfTestOptions options_;
  std::vector<Model> models_;  ///< of the thread alone
  std::mutex mutex_;           ///< of what follows, up to the thread
  std::condition_variable changed_;
  std::vector<Callback> callers_;
  Health health_;
  std::vector<Sample> samples_;
  std::chrono::steady_clock::time_point tested_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace treble::server
