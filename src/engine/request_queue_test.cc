// What callers of the queue may rely on: the vectors of encode, errors of their own alone, and an answer to everything.
#include "treble/request_queue.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <latch>
#include <thread>

#include "engine/golden_support.h"
#include "engine/model_copy.h"
#include "engine/queue_blocker.h"
#include "engine/request_generator.h"

namespace treble::internal {
namespace {

using test::Blocker;
using test::error_in;
using test::error_of;
using test::load;
using test::RequestGenerator;
using test::vector_difference;
using Clock = std::chrono::steady_clock;
using Texts = std::vector<std::string>;

constexpr double kTolerance = 1e-6;

class QueueVectors : public ::testing::TestWithParam<std::pair<const char*, ComputeType>> {};

TEST_P(QueueVectors, AreThoseOfEncode) {
  const auto& [family, type] = GetParam();
  const auto encoder = load(family, 2, type);
  RequestQueue queue(encoder, {.batch_tokens = 128});
  const auto call = [&](std::uint32_t seed) {
    RequestGenerator generator(seed);
    for (int round = 0; round < 15; ++round) {
      const Texts texts = generator.texts();
      const EncodeOptions options = generator.options();
      const Embeddings ours = queue.submit(texts, options).get();
      const Embeddings wanted = encoder.encode(test::views(texts), options);
      if (type == ComputeType::int8) {
        EXPECT_EQ(ours.values, wanted.values) << seed << ", " << round;
      } else {
        EXPECT_LE(vector_difference(ours, wanted), kTolerance) << seed << ", " << round;
      }
      ASSERT_EQ(ours.token_counts.size(), wanted.token_counts.size());
      for (std::size_t i = 0; i < texts.size(); ++i) {
        EXPECT_EQ(ours.token_counts[i].tokens, wanted.token_counts[i].tokens);
        EXPECT_EQ(ours.token_counts[i].used, wanted.token_counts[i].used);
      }
    }
  };
  std::vector<std::thread> callers;
  for (std::uint32_t caller = 0; caller < 8; ++caller) callers.emplace_back(call, caller);
  for (auto& caller : callers) caller.join();
}

INSTANTIATE_TEST_SUITE_P(
    Families, QueueVectors,
    ::testing::Values(std::pair{"bert", ComputeType::float32}, std::pair{"mpnet", ComputeType::float32},
                      std::pair{"mpnet", ComputeType::int8}, std::pair{"modernbert", ComputeType::float32},
                      std::pair{"qwen3", ComputeType::bfloat16}, std::pair{"t5", ComputeType::int8},
                      std::pair{"deberta-v2", ComputeType::float32}));

TEST(RequestQueue, NoTextsGiveNoVectors) {
  const auto encoder = load("bert", 1);
  RequestQueue queue(encoder);
  const auto none = queue.submit({}).get();
  EXPECT_EQ(none.count, 0);
  EXPECT_EQ(none.dim, 32);
}

TEST(RequestQueue, TextsOfDifferentOptionsShareABatch) {
  const auto encoder = load("bert", 1);
  RequestQueue queue(encoder);
  std::vector<std::future<Embeddings>> futures;
  {
    Blocker blocker(queue);
    for (const char* temperature : {"1", "0.8", "log:4", "ssmax:0.4"}) {
      EncodeOptions options;
      options.temperature = Temperature::parse(temperature);
      options.dimensions = 4 + std::ssize(futures);
      futures.push_back(queue.submit({"a b c"}, options));
    }
    while (queue.statistics().waiting_tokens != 4 * 5) std::this_thread::yield();
  }
  for (auto& future : futures) future.get();
  const auto statistics = queue.statistics();
  EXPECT_EQ(statistics.batch_texts.count, 2U) << "the blocker's, and one of all four";
  EXPECT_EQ(statistics.encoded_tokens, 3U + 4U * 5U);
}

TEST(RequestQueue, ErrorsOfTextsAreThoseOfEncodeAndFailTheirRequestAlone) {
  const auto encoder = load("bert", 2);
  RequestQueue queue(encoder);
  std::string long_text;
  for (int i = 0; i < 100; ++i) long_text += "a ";
  const auto with = [](const std::function<void(EncodeOptions&)>& change) {
    EncodeOptions options;
    change(options);
    return options;
  };
  const std::vector<std::pair<Texts, EncodeOptions>> wrong = {
      {{"fine", "bad \xff byte"}, {}},
      {{"fine", long_text}, with([](auto& o) { o.truncation = Truncation::error; })},
      {{"fine"}, with([](auto& o) { o.prompt_name = "no such prompt"; })},
      {{"fine"}, with([](auto& o) { o.dimensions = 33; })},
      {{"fine"}, with([](auto& o) { o.max_length = 1000; })},
      {{"fine"}, with([](auto& o) {
         o.prompt = "x";
         o.prompt_name = "y";
       })},
      // Logits that overflow give NaN.
      {{"fine fine fine"}, with([](auto& o) { o.temperature = Temperature::constant(1e-38); })},
  };
  const Texts good = {"the ferry leaves", "a"};
  const auto wanted = encoder.encode(test::views(good));
  for (int round = 0; round < 5; ++round) {
    std::vector<std::future<Embeddings>> good_ones;
    std::vector<std::future<Embeddings>> wrong_ones;
    for (const auto& [texts, options] : wrong) {
      good_ones.push_back(queue.submit(good));
      wrong_ones.push_back(queue.submit(texts, options));
    }
    for (std::size_t i = 0; i < wrong.size(); ++i) {
      const auto& [texts, options] = wrong[i];
      EXPECT_EQ(error_in(wrong_ones[i]), error_of([&] { encoder.encode(test::views(texts), options); }));
      EXPECT_LE(vector_difference(good_ones[i].get(), wanted), kTolerance) << i;
    }
  }
  EXPECT_EQ(queue.statistics().failed, 5 * wrong.size());
}

TEST(RequestQueue, ATokenWithoutAUsableRowFailsItsRequestAlone) {
  const test::ModelCopy model("bert");
  const auto file = model.path() / "model.safetensors";
  auto bytes = std::vector<char>(std::filesystem::file_size(file));
  std::ifstream(file, std::ios::binary).read(bytes.data(), std::ssize(bytes));
  std::uint64_t header_size = 0;
  std::copy_n(bytes.data(), 8, reinterpret_cast<char*>(&header_size));
  const auto data = bytes.begin() + 8 + static_cast<std::ptrdiff_t>(header_size);
  const auto header = nlohmann::json::parse(bytes.begin() + 8, data);
  const auto range =
      header.at("embeddings.word_embeddings.weight").at("data_offsets").get<std::vector<std::ptrdiff_t>>();
  // All bits set is a NaN; the special tokens' rows, the first ones, stay as they are.
  std::fill(data + range.at(0) + 5 * 32 * 4, data + range.at(1), static_cast<char>(0xff));
  std::ofstream(file, std::ios::binary).write(bytes.data(), std::ssize(bytes));

  const auto encoder = SentenceEncoder::load({.model = model.path().string(), .threads = 1});
  RequestQueue queue(encoder);
  std::vector<std::future<Embeddings>> futures;
  {
    Blocker blocker(queue);
    for (int i = 0; i < 6; ++i) futures.push_back(queue.submit({"", i == 3 ? "a letter" : ""}));
  }
  for (std::size_t i = 0; i < futures.size(); ++i) {
    const auto error = error_in(futures[i]);
    EXPECT_EQ(error.find(i == 3 ? "invalid_file: " : "no error"), 0U) << error;
  }
}

TEST(RequestQueue, AFullQueueRefusesAtOnce) {
  const auto encoder = load("bert", 1);
  RequestQueue queue(encoder, {.max_texts = 3});
  Blocker blocker(queue);
  auto first = queue.submit({"a", "b"});
  const auto message = error_of([&] { queue.submit({"c", "d"}); });
  EXPECT_EQ(message.find("overloaded: "), 0U) << message;
  EXPECT_NE(message.find("2 texts"), std::string::npos) << message;
  auto second = queue.submit({"c"});
  EXPECT_EQ(error_of([&] { queue.submit({"d"}); }).find("overloaded: "), 0U);
  const auto too_many = error_of([&] { queue.submit(Texts(4, "a")); });
  EXPECT_EQ(too_many.find("invalid_argument: "), 0U) << too_many;
  blocker.release();
  EXPECT_EQ(first.get().count, 2);
  EXPECT_EQ(second.get().count, 1);
  EXPECT_EQ(queue.submit({"d", "e", "f"}).get().count, 3);
  EXPECT_EQ(queue.statistics().overloaded, 2U);
  EXPECT_EQ(queue.statistics().accepted, 4U);
}

TEST(RequestQueue, TokensAreALimitTooButNotForAQueueThatIsEmpty) {
  const auto encoder = load("bert", 1);
  RequestQueue queue(encoder, {.max_tokens = 10});
  const std::string forty_bytes(40, 'a');
  Blocker blocker(queue);
  auto large = queue.submit({forty_bytes, forty_bytes});
  EXPECT_EQ(error_of([&] { queue.submit({"a"}); }).find("overloaded: "), 0U);
  blocker.release();
  EXPECT_EQ(large.get().count, 2);
}

TEST(RequestQueue, DeadlinesAnswerWhatStillWaits) {
  const auto encoder = load("bert", 1);
  RequestQueue queue(encoder);
  std::future<Embeddings> later;
  {
    Blocker blocker(queue);
    auto past = queue.submit({"a", "b"}, {}, {.deadline = Clock::now() - std::chrono::seconds(1)});
    auto soon = queue.submit({"a"}, {}, {.deadline = Clock::now() + std::chrono::milliseconds(5)});
    later = queue.submit({"a"}, {}, {.deadline = Clock::now() + std::chrono::hours(1)});
    for (auto* future : {&past, &soon}) {
      // While nothing can run.
      const auto message = error_in(*future);
      EXPECT_EQ(message.find("deadline_exceeded: "), 0U) << message;
    }
    EXPECT_EQ(queue.statistics().waiting_texts, 1);
  }
  EXPECT_EQ(later.get().count, 1);
  EXPECT_EQ(queue.statistics().expired, 2U);
  EXPECT_EQ(queue.statistics().encoded_texts, 2U) << "the blocker's and the last one's";
}

TEST(RequestQueue, CancellationAnswersWhatStillWaits) {
  const auto encoder = load("bert", 1);
  RequestQueue queue(encoder);
  std::stop_source early;
  std::stop_source late;
  early.request_stop();
  std::future<Embeddings> kept;
  {
    Blocker blocker(queue);
    auto first = queue.submit({"a"}, {}, {.stop = early.get_token()});
    auto second = queue.submit(Texts(50, "a"), {}, {.stop = late.get_token()});
    auto third = queue.submit({"b"}, {}, {.stop = late.get_token()});
    kept = queue.submit({"c"}, {}, {.stop = std::stop_source().get_token()});
    late.request_stop();
    for (auto* future : {&first, &second, &third}) EXPECT_EQ(error_in(*future).find("cancelled: "), 0U);
  }
  EXPECT_EQ(kept.get().count, 1);
  EXPECT_EQ(queue.statistics().cancelled, 3U);
  EXPECT_EQ(queue.statistics().encoded_texts, 2U);
}

TEST(RequestQueue, ASmallRequestIsAnsweredBeforeTheLargeOnesBeforeIt) {
  const auto encoder = load("bert", 1);
  RequestQueue queue(encoder, {.batch_tokens = 32});
  std::vector<std::string> order;
  const auto note = [&](const char* name) { return [&order, name](const Answer&) { order.emplace_back(name); }; };
  {
    Blocker blocker(queue);
    queue.submit(Texts(200, "a b c"), {}, {}, note("large"));
    while (queue.statistics().waiting_tokens != 1000) std::this_thread::yield();
    queue.submit({"a b c"}, {}, {}, note("small"));
    while (queue.statistics().waiting_tokens != 1005) std::this_thread::yield();
  }
  queue.drain();
  EXPECT_EQ(order, (std::vector<std::string>{"small", "large"}));
}

TEST(RequestQueue, DrainFinishesWhatWasAcceptedAndRefusesTheRest) {
  const auto encoder = load("bert", 1);
  RequestQueue queue(encoder);
  std::vector<std::future<Embeddings>> futures;
  Blocker blocker(queue);
  for (int i = 0; i < 10; ++i) futures.push_back(queue.submit({"a", "b"}));
  std::thread draining([&] { queue.drain(); });
  const auto refused = [&] { return error_of([&] { queue.submit({"a"}); }).find("unavailable: ") == 0; };
  while (!refused()) std::this_thread::yield();
  blocker.release();
  draining.join();
  for (auto& future : futures) {
    ASSERT_EQ(future.wait_for(std::chrono::seconds(0)), std::future_status::ready);
    EXPECT_EQ(future.get().count, 2);
  }
  queue.drain();
  EXPECT_TRUE(refused());
}

TEST(RequestQueue, ShutdownAnswersWhatWaits) {
  const auto encoder = load("bert", 1);
  RequestQueue queue(encoder);
  std::vector<std::future<Embeddings>> futures;
  Blocker blocker(queue);
  for (int i = 0; i < 10; ++i) futures.push_back(queue.submit({"a", "b"}));
  std::thread stopping([&] { queue.shutdown(); });
  for (auto& future : futures) EXPECT_EQ(error_in(future).find("unavailable: "), 0U);
  blocker.release();
  stopping.join();
  EXPECT_EQ(queue.statistics().shut_down, 10U);
  EXPECT_EQ(queue.statistics().open_requests, 0);
}

TEST(RequestQueue, DestructionWhileBusyAnswersEverything) {
  const auto encoder = load("bert", 2);
  for (int round = 0; round < 20; ++round) {
    std::vector<std::future<Embeddings>> futures;
    {
      RequestQueue queue(encoder);
      for (int i = 0; i < 40; ++i) futures.push_back(queue.submit(Texts(static_cast<std::size_t>(1 + i % 20), "a b")));
      std::this_thread::sleep_for(std::chrono::microseconds(100 * round));
    }
    for (auto& future : futures) {
      ASSERT_EQ(future.wait_for(std::chrono::seconds(0)), std::future_status::ready);
      const auto error = error_in(future);
      EXPECT_TRUE(error == "no error" || error.find("unavailable: ") == 0) << error;
    }
  }
}

TEST(RequestQueue, CallbacksMaySubmitAndWhatTheyThrowIsDropped) {
  const auto encoder = load("bert", 2);
  std::atomic<int> answers{0};
  RequestQueue queue(encoder);
  std::latch last(1);
  std::function<void(int)> chain = [&](int left) {
    queue.submit({"a"}, {}, {}, [&, left](const Answer& answer) {
      EXPECT_FALSE(answer.error);
      ++answers;
      left > 0 ? chain(left - 1) : last.count_down();
      throw std::runtime_error("dropped");
    });
  };
  chain(20);
  last.wait();
  queue.drain();
  EXPECT_EQ(answers, 21);
}

TEST(RequestQueue, RefusesSenselessOptions) {
  const auto encoder = load("bert", 1);
  for (const auto& options : {RequestQueueOptions{.max_texts = 0}, RequestQueueOptions{.max_tokens = 0},
                              RequestQueueOptions{.batch_tokens = -1}, RequestQueueOptions{.overtaking = 0},
                              RequestQueueOptions{.tokenizer_threads = -1}}) {
    EXPECT_EQ(error_of([&] { const RequestQueue queue(encoder, options); }).find("invalid_argument: "), 0U);
  }
}

TEST(RequestQueue, StatisticsAddUp) {
  const auto encoder = load("bert", 2);
  RequestQueue queue(encoder, {.batch_tokens = 64});
  std::uint64_t texts = 0;
  std::uint64_t tokens = 0;
  std::vector<std::future<Embeddings>> futures;
  RequestGenerator generator(7);
  for (int i = 0; i < 50; ++i) {
    const Texts some = generator.texts();
    texts += some.size();
    for (const auto& count : encoder.count_tokens(test::views(some))) tokens += static_cast<std::uint64_t>(count.used);
    futures.push_back(queue.submit(some));
  }
  queue.drain();
  const auto statistics = queue.statistics();
  EXPECT_EQ(statistics.accepted, 50U);
  EXPECT_EQ(statistics.completed, 50U);
  EXPECT_EQ(statistics.encoded_texts, texts);
  EXPECT_EQ(statistics.encoded_tokens, tokens);
  EXPECT_EQ(statistics.batch_texts.count, statistics.batch_tokens.count);
  EXPECT_EQ(statistics.batch_texts.sum, static_cast<double>(texts));
  EXPECT_EQ(statistics.batch_tokens.sum, static_cast<double>(tokens));
  EXPECT_EQ(statistics.wait_seconds.count, texts);
  EXPECT_EQ(statistics.total_seconds.count, 50U);
  for (const Histogram* histogram : {&statistics.batch_texts, &statistics.wait_seconds}) {
    ASSERT_EQ(histogram->counts.size(), histogram->upper_bounds.size() + 1);
    std::uint64_t sum = 0;
    for (const auto count : histogram->counts) sum += count;
    EXPECT_EQ(sum, histogram->count);
  }
  for (const auto left :
       {statistics.open_requests, statistics.waiting_texts, statistics.waiting_tokens, statistics.running_batches}) {
    EXPECT_EQ(left, 0);
  }
}

}  // namespace
}  // namespace treble::internal
