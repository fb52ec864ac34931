// Requests of token ids beside those of texts, and what answers say of their time.
#include <gtest/gtest.h>

#include <chrono>
#include <latch>
#include <stop_token>
#include <thread>

#include "engine/golden_support.h"
#include "engine/model_copy.h"
#include "engine/queue_blocker.h"
#include "engine/queued_request.h"
#include "engine/request_generator.h"
#include "treble/request_queue.h"

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

class QueuedTokenIds : public ::testing::TestWithParam<ComputeType> {};

/// Three callers that send the texts' token ids, beside one that sends texts.
TEST_P(QueuedTokenIds, HaveTheVectorsOfTheirTexts) {
  const auto encoder = load("mpnet", 2, GetParam());
  RequestQueue queue(encoder, {.batch_tokens = 64});
  const auto call = [&](std::uint32_t seed) {
    RequestGenerator generator(seed);
    for (int round = 0; round < 15; ++round) {
      const Texts texts = generator.texts();
      EncodeOptions options = generator.options();
      options.prompt.reset();
      const Embeddings wanted = encoder.encode(test::views(texts), options);
      auto ids = token_ids(encoder, test::views(texts), options);
      const Embeddings ours =
          seed == 0 ? queue.submit(texts, options).get() : queue.submit_token_ids(std::move(ids), options).get();
      if (GetParam() == ComputeType::int8) {
        EXPECT_EQ(ours.values, wanted.values) << seed << ", " << round;
      } else {
        EXPECT_LE(vector_difference(ours, wanted), kTolerance) << seed << ", " << round;
      }
      for (std::size_t i = 0; i < texts.size(); ++i) EXPECT_EQ(ours.token_counts[i].used, wanted.token_counts[i].used);
    }
  };
  std::vector<std::thread> callers;
  for (std::uint32_t caller = 0; caller < 4; ++caller) callers.emplace_back(call, caller);
  for (auto& caller : callers) caller.join();
}

INSTANTIATE_TEST_SUITE_P(Types, QueuedTokenIds, ::testing::Values(ComputeType::float32, ComputeType::int8));

TEST(RequestQueue, TokenIdsAndTextsShareABatch) {
  const auto encoder = load("bert", 1);
  RequestQueue queue(encoder, {.tokenizer_threads = 1});
  std::future<Embeddings> texts;
  std::future<Embeddings> ids;
  {
    Blocker blocker(queue);
    ids = queue.submit_token_ids({{5, 6, 7}, {8, 9}});
    // The tokens of the text are known, and the lists before it are ready, when the estimate has become the number.
    texts = queue.submit({"a b c"});
    while (queue.statistics().waiting_tokens != 3 + 2 + 5) std::this_thread::yield();
  }
  EXPECT_EQ(texts.get().count, 1);
  EXPECT_EQ(ids.get().count, 2);
  EXPECT_EQ(queue.statistics().batch_texts.count, 2U) << "the blocker's, and one of all three";
}

TEST(RequestQueue, ErrorsOfTokenIdsFailTheirRequestAlone) {
  const auto encoder = load("bert", 1);
  RequestQueue queue(encoder);
  const std::vector<std::pair<TokenIds, EncodeOptions>> wrong = {{{}, {}},
                                                                 {{1 << 30}, {}},
                                                                 {{-1}, {}},
                                                                 {{5}, {.prompt = "x"}},
                                                                 {TokenIds(200, 5), {.truncation = Truncation::error}}};
  for (const auto& [ids, options] : wrong) {
    const std::vector<TokenIds> lists = {{5}, ids};
    auto good = queue.submit_token_ids({{5}, {6, 7}});
    auto bad = queue.submit_token_ids(lists, options);
    EXPECT_EQ(error_in(bad), error_of([&] { encode_token_ids(encoder, lists, options); }));
    EXPECT_NE(error_of([&] { encode_token_ids(encoder, lists, options); }), "no error");
    EXPECT_EQ(good.get().count, 2);
  }
  EXPECT_EQ(queue.submit_token_ids({}).get().count, 0);
}

TEST(RequestQueue, TokenIdsCountAsTheTokensThatTheyAre) {
  const auto encoder = load("bert", 1);
  RequestQueue queue(encoder);
  std::future<Embeddings> answer;
  {
    Blocker blocker(queue);
    answer = queue.submit_token_ids({TokenIds(7, 5), TokenIds(1000, 5)});
    EXPECT_EQ(queue.statistics().waiting_tokens, 7 + encoder.info().max_length);
  }
  EXPECT_EQ(answer.get().token_counts[1].tokens, 1000);
}

TEST(RequestQueue, AnswersSayWhereTheirTimeWent) {
  const auto encoder = load("bert", 1);
  RequestQueue queue(encoder);
  RequestTiming timing;
  RequestTiming cancelled;
  std::stop_source stop;
  std::latch was_cancelled(1);
  const auto begin = Clock::now();
  {
    Blocker blocker(queue);
    queue.submit({"a b c", "a"}, {}, {}, [&](const Answer& answer) { timing = answer.timing; });
    queue.submit({"a"}, {}, {.stop = stop.get_token()}, [&](const Answer& answer) {
      EXPECT_TRUE(answer.error);
      cancelled = answer.timing;
      was_cancelled.count_down();
    });
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    stop.request_stop();
    was_cancelled.wait();
  }
  queue.drain();
  const double whole = std::chrono::duration<double>(Clock::now() - begin).count();
  EXPECT_GT(timing.tokenization_seconds, 0);
  EXPECT_GT(timing.compute_seconds, 0);
  // Nothing of it ran while the thread was held up, whatever else the machine did.
  EXPECT_GE(timing.wait_seconds + timing.tokenization_seconds, 0.02);
  EXPECT_LE(timing.wait_seconds + timing.tokenization_seconds + timing.compute_seconds, whole);
  EXPECT_EQ(cancelled.compute_seconds, 0);
  EXPECT_GE(cancelled.wait_seconds + cancelled.tokenization_seconds, 0.02);
}

TEST(RequestWatch, StagesThatOverlapAreMeasuredOnceEach) {
  using Stage = RequestWatch::Stage;
  const auto at = [](int seconds) { return Clock::time_point{} + std::chrono::seconds(1000 + seconds); };
  RequestWatch watch;
  watch.accept(at(0));
  watch.begin(Stage::tokenization, at(1));
  watch.end(Stage::tokenization, at(3));
  watch.begin(Stage::compute, at(6));
  watch.begin(Stage::compute, at(8));  // a second text of it, in another batch
  watch.begin(Stage::tokenization, at(9));
  watch.end(Stage::compute, at(11));
  watch.end(Stage::tokenization, at(12));
  watch.end(Stage::compute, at(15));
  const RequestTiming timing = watch.timing(at(16));
  EXPECT_EQ(timing.wait_seconds, 1 + 3 + 1);
  EXPECT_EQ(timing.tokenization_seconds, 2 + 3);
  EXPECT_EQ(timing.compute_seconds, 9);
}

}  // namespace
}  // namespace treble::internal
