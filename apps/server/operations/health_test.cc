#include "operations/health.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <limits>
#include <nlohmann/json.hpp>

#include "operations/memory_trimmer.h"
#include "treble/error.h"

namespace treble::server {
namespace {

using namespace std::chrono_literals;

/// A model whose answers the test chooses.
struct FakeModel {
  std::function<std::future<Embeddings>()> answer = [] { return ready_vector({0.6F, 0.8F}); };
  std::atomic<int> asked = 0;

  static std::future<Embeddings> ready_vector(std::vector<float> values) {
    std::promise<Embeddings> promise;
    promise.set_value(
        {.count = 1, .dim = static_cast<std::int64_t>(values.size()), .values = std::move(values), .token_counts = {}});
    return promise.get_future();
  }

  static std::future<Embeddings> ready_error(ErrorCode code) {
    std::promise<Embeddings> promise;
    promise.set_exception(std::make_exception_ptr(Error(code, "as the test wants it")));
    return promise.get_future();
  }

  HealthProbe probe(const std::string& name) {
    return {name, ready_vector({0.6F, 0.8F}).get(), [this](const SubmitOptions&) {
              ++asked;
              return answer();
            }};
  }
};

Health checked(SelfTest& test) {
  std::promise<Health> promise;
  test.check([&](const Health& health) { promise.set_value(health); });
  return promise.get_future().get();
}

const SelfTestOptions kQuick = {.interval = 0ms, .patience = 100ms, .limit = 150ms};

TEST(SelfTest, ReadyWhileTheVectorStaysTheSame) {
  FakeModel model;
  SelfTest test({model.probe("mini")}, kQuick);
  auto health = checked(test);
  EXPECT_TRUE(health.ready());
  EXPECT_EQ(health.models.at(0).state, ModelState::ready);
  EXPECT_EQ(model.asked, 2);  // At the start, and now.
  model.answer = [] { return FakeModel::ready_vector({0.6F, 0.8000005F}); };
  EXPECT_TRUE(checked(test).ready());
}

TEST(SelfTest, NamesTheModelThatGivesAnotherVector) {
  FakeModel good;
  FakeModel bad;
  SelfTest test({good.probe("good"), bad.probe("bad")}, kQuick);
  bad.answer = [] { return FakeModel::ready_vector({0.6F, 0.81F}); };
  auto health = checked(test);
  EXPECT_FALSE(health.ready());
  EXPECT_EQ(health.models.at(0).state, ModelState::ready);
  EXPECT_EQ(health.models.at(1).state, ModelState::failed);
  EXPECT_NE(health.models.at(1).reason.find("differs from that of the start by 0.01"), std::string::npos);
  const auto body = nlohmann::json::parse(to_json(health));
  EXPECT_EQ(body["status"], "failed");
  EXPECT_EQ(body["models"]["good"], nlohmann::json({{"status", "ready"}}));
  EXPECT_EQ(body["models"]["bad"]["reason"], health.models.at(1).reason);
  bad.answer = [] { return FakeModel::ready_vector({0.6F, 0.8F}); };
  EXPECT_TRUE(checked(test).ready());  // It recovers.
}

TEST(SelfTest, NanAndOtherShapes) {
  FakeModel model;
  SelfTest test({model.probe("mini")}, kQuick);
  model.answer = [] { return FakeModel::ready_vector({0.6F, std::numeric_limits<float>::quiet_NaN()}); };
  EXPECT_NE(checked(test).models.at(0).reason.find("NaN"), std::string::npos);
  model.answer = [] { return FakeModel::ready_vector({}); };
  EXPECT_NE(checked(test).models.at(0).reason.find("0 numbers where it gave 2"), std::string::npos);
}

TEST(SelfTest, StatesOfErrors) {
  FakeModel model;
  SelfTest test({model.probe("mini")}, kQuick);
  const auto state = [&](ErrorCode code) {
    model.answer = [code] { return FakeModel::ready_error(code); };
    return checked(test).models.at(0).state;
  };
  EXPECT_EQ(state(ErrorCode::overloaded), ModelState::overloaded);
  EXPECT_EQ(state(ErrorCode::deadline_exceeded), ModelState::overloaded);
  EXPECT_TRUE(checked(test).ready());
  EXPECT_EQ(state(ErrorCode::unavailable), ModelState::draining);
  EXPECT_FALSE(checked(test).ready());
  EXPECT_EQ(state(ErrorCode::non_finite), ModelState::failed);
  model.answer = []() -> std::future<Embeddings> { throw Error(ErrorCode::overloaded, "at once"); };
  EXPECT_EQ(checked(test).models.at(0).state, ModelState::overloaded);
  model.answer = []() -> std::future<Embeddings> { throw std::bad_alloc(); };
  EXPECT_EQ(checked(test).models.at(0).state, ModelState::failed);
}

TEST(SelfTest, AModelThatHangsIsBusyAtFirstAndFailedLater) {
  FakeModel model;
  SelfTest test({model.probe("mini")}, kQuick);
  std::promise<Embeddings> never;
  model.answer = [&never] { return never.get_future(); };
  EXPECT_EQ(checked(test).models.at(0).state, ModelState::overloaded);
  Health health;
  while ((health = checked(test)).ready()) {
  }
  EXPECT_EQ(health.models.at(0).state, ModelState::failed);
  EXPECT_NE(health.models.at(0).reason.find("has not been answered"), std::string::npos);
  EXPECT_EQ(model.asked, 2);  // One test at a time.
}

TEST(SelfTest, ManyCallersShareATest) {
  FakeModel model;
  SelfTest test({model.probe("mini")}, {.interval = 1h});
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(checked(test).ready());
  EXPECT_EQ(model.asked, 1);
}

TEST(SelfTest, EndsWithCallersWaiting) {
  FakeModel model;
  std::promise<Embeddings> never;
  std::atomic<int> answered = 0;
  {
    SelfTest test({model.probe("mini")}, kQuick);
    model.answer = [&never] { return never.get_future(); };
    for (int i = 0; i < 10; ++i) test.check([&](const Health&) { ++answered; });
  }
  EXPECT_EQ(answered, 10);
}

TEST(SelfTest, RefusesToStartWithAModelThatFails) {
  FakeModel model;
  model.answer = [] { return FakeModel::ready_vector({0.8F, 0.6F}); };
  try {
    const SelfTest test({model.probe("mini")}, kQuick);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::internal);
    EXPECT_NE(std::string(error.what()).find("model \"mini\" is not ready: "), std::string::npos);
  }
}

TEST(SelfTest, Samples) {
  FakeModel model;
  SelfTest test({model.probe("mini")}, kQuick);
  model.answer = [] { return FakeModel::ready_vector({0.8F, 0.6F}); };
  EXPECT_EQ(test.samples().at(0).value, 1);
  EXPECT_FALSE(checked(test).ready());  // And the test that `samples` began is over.
  const auto samples = test.samples();
  EXPECT_EQ(samples.at(0).name, "treble_model_ready");
  EXPECT_EQ(samples.at(0).value, 0);
  EXPECT_EQ(samples.at(1).value, 1);  // Passed.
  EXPECT_GE(samples.at(2).value, 1);  // Failed.
}

TEST(SelfTest, OfAModelAndItsQueue) {
  const auto encoder = SentenceEncoder::load({.model = TREBLE_SOURCE_DIR "/tests/golden/bert/model", .threads = 1});
  RequestQueue queue(encoder);
  SelfTest test({make_health_probe("bert", encoder, queue, {.temperature = Temperature::constant(0.8)})}, kQuick);
  EXPECT_TRUE(checked(test).ready());
  queue.drain();
  const auto health = checked(test);
  EXPECT_FALSE(health.ready());
  EXPECT_EQ(nlohmann::json::parse(to_json(health))["status"], "draining");
}

TEST(MemoryTrimmer, OnceAfterEachTimeOfWork) {
  std::atomic<std::uint64_t> requests = 0;
  std::atomic<int> looked = 0;
  MemoryTrimmer trimmer(
      [&] {
        ++looked;
        return requests.load();
      },
      1ms);
  const auto wait_for_looks = [&](int count) {
    const int until = looked + count;
    while (looked < until) std::this_thread::sleep_for(1ms);
  };
  wait_for_looks(5);
  EXPECT_EQ(trimmer.samples().at(0).value, 0);
  ++requests;
  wait_for_looks(5);
  EXPECT_EQ(trimmer.samples().at(0).value, 1);
  wait_for_looks(5);
  EXPECT_EQ(trimmer.samples().at(0).value, 1);
}

}  // namespace
}  // namespace treble::server
