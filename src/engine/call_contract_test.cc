// What every call promises a program: widths without a model run, vectors into its own memory, progress, stopping, and
// errors that say what they are about.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <optional>
#include <stop_token>
#include <thread>

#include "engine/model_copy.h"
#include "treble/treble.h"

namespace treble::internal {
namespace {

using Views = std::vector<std::string_view>;

std::optional<Error> error_from(const std::function<void()>& body) {
  try {
    body();
  } catch (const Error& error) {
    return error;
  }
  return std::nullopt;
}

class CallContract : public ::testing::Test {
 protected:
  CallContract() : encoder_(SentenceEncoder::load({.model = test::model_path("bert"), .threads = 2})) {
    for (int i = 0; i < 40; ++i) texts_.push_back("a text of the corpus, number " + std::to_string(i));
    views_.assign(texts_.begin(), texts_.end());
  }

  SentenceEncoder encoder_;
  std::vector<std::string> texts_;
  Views views_;
};

TEST_F(CallContract, RowsAreTheVectors) {
  const Embeddings vectors = encoder_.encode(views_);
  for (std::int64_t i = 0; i < vectors.count; ++i) {
    ASSERT_EQ(vectors.row(i).size(), static_cast<std::size_t>(vectors.dim));
    EXPECT_EQ(vectors.row(i).data(), vectors.values.data() + i * vectors.dim);
  }
  EXPECT_THROW(static_cast<void>(vectors.row(-1)), Error);
  EXPECT_THROW(static_cast<void>(vectors.row(vectors.count)), Error);
}

TEST_F(CallContract, EncodeIntoGivesTheSameBits) {
  const EncodeOptions options{.dimensions = 8};
  const Embeddings expected = encoder_.encode(views_, options);
  ASSERT_EQ(encoder_.output_dim(options), 8);
  std::vector<float> vectors(views_.size() * 8);
  const auto counts = encoder_.encode_into(views_, vectors, options);
  ASSERT_EQ(counts.size(), views_.size());
  EXPECT_EQ(counts.front().tokens, expected.token_counts.front().tokens);
  EXPECT_EQ(std::memcmp(vectors.data(), expected.values.data(), vectors.size() * sizeof(float)), 0);
  vectors.pop_back();
  const auto error = error_from([&] { encoder_.encode_into(views_, vectors, options); });
  ASSERT_TRUE(error.has_value());
  EXPECT_EQ(error->code(), ErrorCode::invalid_argument);
  EXPECT_NE(std::string(error->what()).find("319"), std::string::npos) << error->what();
}

TEST_F(CallContract, ValidateThrowsWhatEncodeWould) {
  EXPECT_NO_THROW(encoder_.validate({}));
  EXPECT_EQ(encoder_.output_dim(), encoder_.info().dim);
  const std::vector<EncodeOptions> wrong = {{.prompt_name = "absent"},
                                            {.prompt_name = "a", .prompt = "b"},
                                            {.max_length = 0},
                                            {.dimensions = 1000},
                                            {.batch_tokens = -1}};
  for (const EncodeOptions& options : wrong) {
    const auto expected = error_from([&] { encoder_.encode(views_, options); });
    const auto error = error_from([&] { encoder_.validate(options); });
    ASSERT_TRUE(expected && error);
    EXPECT_EQ(error->code(), expected->code());
    EXPECT_STREQ(error->what(), expected->what());
    EXPECT_THROW(static_cast<void>(encoder_.output_dim(options)), Error);
  }
}

TEST_F(CallContract, ProgressRisesToTheTotalOnTheCallersThread) {
  std::int64_t last = -1;
  EncodeOptions options{.batch_tokens = 16};
  options.progress = [&, caller = std::this_thread::get_id()](const Progress& progress) {
    EXPECT_EQ(std::this_thread::get_id(), caller);
    EXPECT_EQ(progress.stage, "encoding");
    EXPECT_EQ(progress.total, 40);
    EXPECT_GE(progress.done, last);
    last = progress.done;
  };
  encoder_.encode(views_, options);
  EXPECT_EQ(last, 40);
  last = -1;
  options.batch_tokens = 1 << 20;  // a single batch
  encoder_.encode(views_, options);
  EXPECT_EQ(last, 40);
}

TEST_F(CallContract, AStopEndsEveryLongCall) {
  std::stop_source stopped;
  stopped.request_stop();
  EncodeOptions options;
  options.stop = stopped.get_token();
  const auto interrupted = [](const std::function<void()>& call) {
    const auto error = error_from(call);
    return error && error->code() == ErrorCode::interrupted;
  };
  EXPECT_TRUE(interrupted([&] { encoder_.encode(views_, options); }));
  EXPECT_TRUE(interrupted([&] { encode_chunked(encoder_, views_, options, {}); }));
  Observer observer;
  EXPECT_TRUE(interrupted([&] { observe(encoder_, views_, options, observer); }));
  InspectOptions inspection;
  inspection.stop = stopped.get_token();
  EXPECT_TRUE(interrupted([&] { inspect_collapse(encoder_, views_, inspection); }));
  std::string long_text;
  for (int i = 0; i < 80; ++i) long_text += "a word ";
  CalibrateOptions calibration{.reference_length = 8, .lengths = {16}};
  calibration.stop = stopped.get_token();
  EXPECT_TRUE(interrupted([&] { calibrate(encoder_, Views(4, long_text), calibration); }));
  EXPECT_NO_THROW(encoder_.encode(views_)) << "the model is as it was";
}

TEST_F(CallContract, AStopInTheMiddleIsHeard) {
  std::stop_source source;
  EncodeOptions options{.batch_tokens = 16};
  options.stop = source.get_token();
  options.progress = [&](const Progress& progress) {
    if (progress.done > 0) source.request_stop();
  };
  // With more threads the others could be through before this one has heard of it.
  const auto alone = SentenceEncoder::load({.model = test::model_path("bert"), .threads = 1});
  const auto error = error_from([&] { alone.encode(views_, options); });
  ASSERT_TRUE(error.has_value());
  EXPECT_EQ(error->code(), ErrorCode::interrupted);
}

TEST_F(CallContract, ErrorsSayWhichText) {
  const std::string many = [] {
    std::string text;
    for (int i = 0; i < 300; ++i) text += "word ";
    return text;
  }();
  const Views texts = {"a", "b", many, "c"};
  const auto error = error_from([&] { encoder_.encode(texts, {.truncation = Truncation::error}); });
  ASSERT_TRUE(error.has_value());
  EXPECT_EQ(error->code(), ErrorCode::text_too_long);
  EXPECT_EQ(error->text_index(), 2);
  EXPECT_TRUE(error->file().empty());
  const Views invalid = {"a", "b", many, "\xff\xfe"};
  for (const auto& call : std::vector<std::function<void()>>{[&] { encode_chunked(encoder_, invalid, {}, {}); },
                                                             [&] {
                                                               Observer observer;
                                                               observe(encoder_, invalid, {}, observer);
                                                             }}) {
    const auto found = error_from(call);
    ASSERT_TRUE(found.has_value());
    EXPECT_EQ(found->text_index(), 3) << found->what();
    EXPECT_TRUE(std::string(found->what()).starts_with("text 3: ")) << found->what();
  }
}

TEST(ErrorSources, NameTheFile) {
  const auto file_of = [](const std::string& file, const std::string& content) {
    const test::ModelCopy model("bert");
    model.write(file, content);
    const auto error = error_from([&] { SentenceEncoder::load({.model = model.path().string()}); });
    EXPECT_TRUE(error.has_value()) << file;
    return error ? error->file().lexically_relative(model.path()).string() : "";
  };
  for (const char* file : {"config.json", "tokenizer.json", "modules.json", "sentence_bert_config.json",
                           "1_Pooling/config.json", "model.safetensors"}) {
    EXPECT_EQ(file_of(file, "damaged"), file);
  }
  for (const char* file : {"config.json", "1_Pooling/config.json"}) EXPECT_EQ(file_of(file, "{}"), file);
  const auto missing = error_from([] { read_profile("/nowhere/profile.json"); });
  ASSERT_TRUE(missing.has_value());
  EXPECT_EQ(missing->file(), "/nowhere/profile.json");
  EXPECT_FALSE(missing->text_index().has_value());
}

TEST_F(CallContract, SimilarityComparesEachWithEach) {
  const Embeddings a = encoder_.encode(Views(views_.begin(), views_.begin() + 3));
  const Embeddings b = encoder_.encode(Views(views_.begin() + 1, views_.begin() + 3));
  const auto cosines = similarity(a, b);
  ASSERT_EQ(cosines.size(), 6U);
  EXPECT_NEAR(cosines[2], 1, 1e-6) << "text 1 with itself";
  for (const Similarity kind : {Similarity::cosine, Similarity::dot, Similarity::euclidean, Similarity::manhattan}) {
    const auto all = similarity(a, b, kind);
    for (std::int64_t i = 0; i < 3; ++i) {
      for (std::int64_t j = 0; j < 2; ++j) {
        EXPECT_NEAR(all[static_cast<std::size_t>(i * 2 + j)], similarity(a.row(i), b.row(j), kind), 1e-6);
      }
    }
  }
  EXPECT_DOUBLE_EQ(cosine(a.row(0), a.row(0)), 1);
  const std::vector<float> zeros(32);
  EXPECT_EQ(cosine(a.row(0), zeros), 0);
  EXPECT_THROW(cosine(a.row(0), std::span(zeros).first(31)), Error);
  EXPECT_THROW(similarity(a, encoder_.encode(views_, {.dimensions = 8})), Error);
}

}  // namespace
}  // namespace treble::internal
