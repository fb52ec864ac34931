// Requests for sparse vectors in the queue: as encode_sparse gives them, whatever shares the batch, and stopped like
// others.
#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <future>
#include <stop_token>
#include <thread>

#include "engine/golden_support.h"
#include "engine/model_copy.h"
#include "engine/queue_blocker.h"
#include "engine/request_generator.h"
#include "treble/request_queue.h"
#include "treble/sparse.h"

namespace treble::internal {
namespace {

using test::Blocker;
using test::error_of;
using test::RequestGenerator;
using Texts = std::vector<std::string>;

SentenceEncoder load_weigher(const std::string& name, int threads = 2, ComputeType type = ComputeType::float32) {
  return test::load(name == "table" ? "sparse-routers/table" : "sparse/" + name, threads, type);
}

/// Options of all kinds that sparse vectors have.
OutputOptions draw_options(RequestGenerator& generator, bool by_role) {
  OutputOptions options{.encode = generator.options()};
  options.encode.normalize.reset();
  options.encode.dimensions.reset();
  if (generator.chance(30)) options.max_active_dims = generator.draw(1, 6);
  if (!by_role) return options;
  options.role = generator.chance(50) ? TextRole::query : TextRole::document;
  // A table of weights has no attention.
  if (options.role == TextRole::query) options.encode.temperature = {};
  return options;
}

/// The largest difference of a weight, relative to weights above 1; infinite where other tokens have one.
double weight_difference(const SparseVectors& a, const SparseVectors& b) {
  if (a.offsets != b.offsets || a.indices != b.indices || a.dim != b.dim) return HUGE_VAL;
  double largest = 0;
  for (std::size_t i = 0; i < a.values.size(); ++i) {
    const double weight = b.values[i];
    largest = std::max(largest, std::abs(double{a.values[i]} - weight) / std::max(1.0, std::abs(weight)));
  }
  return largest;
}

class QueuedSparse : public ::testing::TestWithParam<std::string> {};

TEST_P(QueuedSparse, ConcurrentRequestsHaveTheVectorsOfEncodeSparse) {
  const auto encoder = load_weigher(GetParam());
  const bool by_role = GetParam() == "table";
  RequestQueue queue(encoder, {.batch_tokens = 64});
  std::atomic<int> compared = 0;
  const auto call = [&](std::uint32_t seed) {
    RequestGenerator generator(seed);
    for (int round = 0; round < 12; ++round) {
      const Texts texts = generator.texts();
      const OutputOptions options = draw_options(generator, by_role);
      const SparseVectors wanted = encode_sparse(encoder, test::views(texts), options);
      const SparseVectors ours = queue.submit_sparse(texts, options).get();
      EXPECT_LE(weight_difference(ours, wanted), 2e-6) << seed << ", " << round;
      ASSERT_EQ(ours.token_counts.size(), texts.size());
      for (std::size_t i = 0; i < texts.size(); ++i) {
        EXPECT_EQ(ours.token_counts[i].tokens, wanted.token_counts[i].tokens);
        EXPECT_EQ(ours.token_counts[i].used, wanted.token_counts[i].used);
      }
      ++compared;
    }
  };
  std::vector<std::thread> callers;
  for (std::uint32_t caller = 0; caller < 4; ++caller) callers.emplace_back(call, caller);
  for (auto& caller : callers) caller.join();
  EXPECT_EQ(compared, 4 * 12);
  EXPECT_EQ(queue.statistics().completed, 4U * 12U);
}

INSTANTIATE_TEST_SUITE_P(Models, QueuedSparse,
                         ::testing::Values("bert", "distilbert", "bge-m3", "bert-untied", "table"),
                         [](const auto& tested) {
                           std::string name = tested.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

TEST(RequestQueue, SparseRequestsShareBatchesWithEachOtherAndNotWithDenseOnes) {
  const auto encoder = load_weigher("bge-m3", 1);
  RequestQueue queue(encoder, {.tokenizer_threads = 1});
  std::vector<std::future<SparseVectors>> sparse;
  std::future<Embeddings> dense;
  {
    Blocker blocker(queue);
    for (const char* text : {"a ferry", "the harbour", "a letter"}) sparse.push_back(queue.submit_sparse({text}));
    // Longer, and so behind the others.
    dense = queue.submit({"a ferry leaves the harbour and a letter the port"});
    // Tokenized in turn: when the last has left the tokenizer, all wait for the thread that is held up.
    while (queue.statistics().waiting_texts != 4) std::this_thread::yield();
    queue.submit_token_ids({}).get();
  }
  for (auto& one : sparse) EXPECT_EQ(one.get().count, 1);
  EXPECT_EQ(dense.get().count, 1);
  EXPECT_EQ(queue.statistics().batch_texts.count, 3U) << "the blocker's, one of three sparse texts, a dense one";
}

TEST(RequestQueue, ErrorsOfSparseRequestsFailTheirRequestAlone) {
  const auto encoder = load_weigher("bge-m3");
  RequestQueue queue(encoder);
  std::vector<OutputOptions> wrong(5);
  wrong[0].max_active_dims = 0;
  wrong[1].encode.normalize = true;
  wrong[2].encode.prompt_name = "nothing";
  wrong[3].encode.truncation = Truncation::error;
  wrong[4].encode.state = StateControl::parse("window:4");
  const std::string longer(4000, 'a');
  const Texts texts = {"a ferry", "a " + longer + " b " + longer};
  Texts words = {"a ferry", ""};
  for (int i = 0; i < 600; ++i) words[1] += " ferry";
  for (const OutputOptions& options : wrong) {
    auto good = queue.submit_sparse({"a ferry"});
    auto bad = queue.submit_sparse(words, options);
    const std::string expected = error_of([&] { encode_sparse(encoder, test::views(words), options); });
    EXPECT_NE(expected, "no error");
    EXPECT_EQ(error_of([&] { bad.get(); }), expected);
    EXPECT_EQ(good.get().count, 1);
  }
  const SparseVectors none = queue.submit_sparse({}).get();
  EXPECT_EQ(none.count, 0);
  EXPECT_EQ(none.offsets, (std::vector<std::int64_t>{0}));
}

TEST(RequestQueue, ModelsWithoutTheOutputSayWhatTheyHave) {
  const auto dense = test::load("bert", 1);
  RequestQueue queue(dense);
  auto answer = queue.submit_sparse({"a"});
  const std::string expected = error_of([&] { encode_sparse(dense, test::views(Texts{"a"})); });
  EXPECT_EQ(error_of([&] { answer.get(); }), expected);
  EXPECT_NE(expected.find("no sparse output"), std::string::npos);
}

TEST(RequestQueue, SparseRequestsHaveTheLimitsAndEndsOfOthers) {
  const auto encoder = load_weigher("bge-m3", 1);
  RequestQueue queue(encoder, {.max_texts = 3});
  std::stop_source stop;
  std::future<SparseVectors> cancelled;
  std::future<SparseVectors> late;
  std::future<SparseVectors> served;
  {
    Blocker blocker(queue);
    cancelled = queue.submit_sparse({"a"}, {}, {.stop = stop.get_token()});
    late = queue.submit_sparse({"a"}, {}, {.deadline = std::chrono::steady_clock::now() - std::chrono::seconds(1)});
    served = queue.submit_sparse({"a ferry"});
    EXPECT_NE(error_of([&] { queue.submit_sparse({"a", "b", "c"}); }).find("the request queue is full"),
              std::string::npos);
    EXPECT_NE(error_of([&] { queue.submit_sparse(Texts(4, "a")); }).find("takes 3 at a time"), std::string::npos);
    stop.request_stop();
    EXPECT_EQ(error_of([&] { cancelled.get(); }).substr(0, 10), "cancelled:");
    EXPECT_NE(error_of([&] { late.get(); }).find("deadline"), std::string::npos);
  }
  EXPECT_EQ(served.get().count, 1);
  queue.drain();
  const QueueStatistics statistics = queue.statistics();
  EXPECT_EQ(statistics.cancelled, 1U);
  EXPECT_EQ(statistics.expired, 1U);
  EXPECT_GE(statistics.overloaded, 1U);
  EXPECT_EQ(statistics.waiting_texts, 0);
  EXPECT_EQ(statistics.waiting_tokens, 0);
  EXPECT_NE(error_of([&] { queue.submit_sparse({"a"}); }).find("shutting down"), std::string::npos);
}

}  // namespace
}  // namespace treble::internal
