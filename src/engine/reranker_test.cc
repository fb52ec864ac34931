// Cross-encoders against transformers and sentence-transformers (float32), on seeded tiny models of every family whose
// head is known; tests/golden/rerankers is written by tools/make_golden.py.
#include "treble/reranker.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "engine/encoder_access.h"
#include "engine/golden_support.h"
#include "engine/model_copy.h"
#include "kernels/test_support.h"
#include "safetensors/safetensors.h"
#include "treble/provenance.h"
#include "treble/request_queue.h"

namespace treble::internal {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using test::error_of;
using test::expect_words;
using test::ModelCopy;
using test::read_golden;
using test::source_path;

constexpr double kTolerance = 1e-5;

std::vector<std::string> golden_rerankers() {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(source_path("tests/golden/rerankers"))) {
    names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

fs::path folder_of(const std::string& name) { return source_path("tests/golden/rerankers/" + name); }

Reranker load_reranker(const fs::path& model, ComputeType type = ComputeType::float32) {
  return Reranker::load({.model = model.string(), .threads = 2, .dtype = type});
}
Reranker golden_reranker(const std::string& name) { return load_reranker(folder_of(name) / "model"); }

struct GoldenPairs {
  explicit GoldenPairs(const std::string& name) : cases(parse_json_file(folder_of(name) / "cases.json")) {
    for (const auto& pair : cases.at("pairs")) {
      pairs.push_back({pair.at(0).get_ref<const std::string&>(), pair.at(1).get_ref<const std::string&>()});
    }
  }
  json cases;
  std::vector<TextPair> pairs;
};

RerankOptions raw_scores(double tau = 1) {
  RerankOptions options;
  options.encode.temperature = Temperature::constant(tau);
  options.activation = ScoreActivation::identity;
  return options;
}

double score_difference(const Scores& scores, const test::Golden& golden) {
  EXPECT_EQ(golden.shape, (std::vector<std::int64_t>{scores.count, scores.num_labels}));
  return test::max_abs_difference({scores.values.data(), scores.count, scores.num_labels}, golden.view());
}

std::vector<std::int32_t> types_of(const TokenizedText& text) {
  return {text.token_types.begin(), text.token_types.end()};
}

class GoldenReranker : public ::testing::TestWithParam<std::string> {
 protected:
  const GoldenPairs golden{GetParam()};
  const Reranker reranker = golden_reranker(GetParam());
  TensorArchive expected() const { return TensorArchive::open_file(folder_of(GetParam()) / "expected.safetensors"); }
};

TEST_P(GoldenReranker, TokensOfPairsEqualTransformers) {
  const CallPlan plan = EncoderAccess::plan(reranker.encoder(), {});
  for (std::size_t i = 0; i < golden.pairs.size(); ++i) {
    const auto text = EncoderAccess::tokenize_pair(reranker.encoder(), plan, golden.pairs[i], 0);
    EXPECT_EQ(text.ids, golden.cases.at("ids").at(i).get<std::vector<std::int32_t>>()) << i;
    EXPECT_EQ(types_of(text), golden.cases.at("types").at(i).get<std::vector<std::int32_t>>()) << i;
    EXPECT_EQ(text.num_tokens, golden.cases.at("tokens").at(i).get<std::size_t>()) << i;
  }
}

TEST_P(GoldenReranker, DrawnPairsAreCutAsTransformersCutsThem) {
  // Up to the models' positions, so that every limit is one of a call.
  constexpr std::int64_t kLimit = 44;
  const auto reader =
      Reranker::load({.model = (folder_of(GetParam()) / "model").string(), .threads = 1, .max_length = kLimit});
  for (const auto& drawn : golden.cases.at("drawn")) {
    EncodeOptions options;
    options.max_length = drawn.at("limit").get<std::int64_t>();
    options.prompt = "";
    options.truncation = drawn.at("side") == "left" ? Truncation::start : Truncation::end;
    const auto& pair = drawn.at("pair");
    const TextPair texts{pair.at(0).get_ref<const std::string&>(), pair.at(1).get_ref<const std::string&>()};
    if (*options.max_length > kLimit) continue;
    const auto text =
        EncoderAccess::tokenize_pair(reader.encoder(), EncoderAccess::plan(reader.encoder(), options), texts, 0);
    EXPECT_EQ(text.ids, drawn.at("ids").get<std::vector<std::int32_t>>()) << drawn.dump();
    EXPECT_EQ(types_of(text), drawn.at("types").get<std::vector<std::int32_t>>()) << drawn.dump();
    EXPECT_EQ(text.num_tokens, drawn.at("tokens").get<std::size_t>());
  }
}

TEST_P(GoldenReranker, ScoresEqualSentenceTransformersAtEveryTemperature) {
  const auto archive = expected();
  EXPECT_EQ(reranker.labels(), golden.cases.at("labels").get<std::vector<std::string>>());
  EXPECT_EQ(to_string(reranker.activation()), golden.cases.at("activation").get<std::string>());
  EXPECT_EQ(reranker.info().max_length, golden.cases.at("limit").get<std::int64_t>());
  const Scores scores = reranker.score(golden.pairs);
  EXPECT_LE(score_difference(scores, read_golden(archive, "scores")), kTolerance);
  EXPECT_LE(score_difference(reranker.score(golden.pairs, raw_scores()), read_golden(archive, "tau=1/logits")),
            kTolerance);
  EXPECT_LE(score_difference(reranker.score(golden.pairs, raw_scores(0.7)), read_golden(archive, "tau=0.7/logits")),
            kTolerance);
  for (std::size_t i = 0; i < golden.pairs.size(); ++i) {
    EXPECT_EQ(scores.token_counts[i].tokens, golden.cases.at("tokens").at(i).get<std::int64_t>());
    EXPECT_EQ(scores.token_counts[i].used, std::ssize(golden.cases.at("ids").at(i)));
  }
}

TEST_P(GoldenReranker, APairsScoresDependOnThePairAlone) {
  RerankOptions options = raw_scores();
  const Scores together = reranker.score(golden.pairs, options);
  options.encode.batch_tokens = 64;
  const Scores small = reranker.score(golden.pairs, options);
  RequestQueue queue(reranker.encoder());
  std::vector<OwnedTextPair> owned;
  for (const TextPair& pair : golden.pairs) owned.push_back({std::string(pair.query), std::string(pair.text)});
  const Embeddings queued = queue.submit_pairs(owned).get();
  ASSERT_EQ(queued.values.size(), together.values.size());
  for (std::size_t i = 0; i < golden.pairs.size(); ++i) {
    const Scores alone = reranker.score(std::span(&golden.pairs[i], 1), raw_scores());
    for (std::size_t label = 0; label < alone.values.size(); ++label) {
      const std::size_t place = i * alone.values.size() + label;
      EXPECT_NEAR(alone.values[label], together.values[place], 2e-6);
      EXPECT_NEAR(alone.values[label], small.values[place], 2e-6);
      EXPECT_NEAR(alone.values[label], queued.values[place], 2e-6);
    }
    EXPECT_EQ(queued.token_counts[i].tokens, together.token_counts[i].tokens);
  }
}

INSTANTIATE_TEST_SUITE_P(Families, GoldenReranker, ::testing::ValuesIn(golden_rerankers()), [](const auto& test) {
  std::string name = test.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

TEST(GoldenRerankers, AreAllThere) {
  const auto models = golden_rerankers();
  for (const char* family : {"bert", "roberta", "xlm-roberta", "camembert", "electra", "distilbert", "mpnet", "albert",
                             "deberta-v2", "deberta-v3", "modernbert", "gte", "qwen3-score", "llama-score",
                             "mistral-score", "gemma3-score", "qwen3-logit", "qwen2-logit", "llama-logit"}) {
    EXPECT_NE(std::find(models.begin(), models.end(), family), models.end()) << family;
  }
}

TEST(Reranker, RanksTextsByTheirScore) {
  const Reranker reranker = golden_reranker("bert");
  const std::vector<std::string_view> texts = {"a ferry", "the harbour at nine", "", "a ferry"};
  std::vector<TextPair> pairs;
  for (const auto text : texts) pairs.push_back({"When does the ferry leave?", text});
  const Scores scores = reranker.score(pairs);
  const auto ranked = reranker.rank("When does the ferry leave?", texts);
  ASSERT_EQ(ranked.size(), texts.size());
  for (std::size_t place = 0; place < ranked.size(); ++place) {
    EXPECT_EQ(ranked[place].score, scores.values[static_cast<std::size_t>(ranked[place].index)]);
    if (place == 0) continue;
    EXPECT_GE(ranked[place - 1].score, ranked[place].score);
    if (ranked[place - 1].score == ranked[place].score) {
      EXPECT_LT(ranked[place - 1].index, ranked[place].index);
    }
  }
  EXPECT_TRUE(reranker.rank("q", std::vector<std::string_view>{}).empty());
  EXPECT_EQ(reranker.score(std::vector<TextPair>{}).count, 0);
}

TEST(Reranker, ScoresSingleTextsAsItsEncoderReadsThem) {
  const Reranker reranker = golden_reranker("bert-labels");
  const std::vector<std::string_view> texts = {"a ferry", ""};
  RerankOptions options;
  options.activation = ScoreActivation::softmax;
  const Scores scores = reranker.score(texts, options);
  ASSERT_EQ(scores.num_labels, 3);
  for (std::int64_t i = 0; i < 2; ++i) {
    const auto row = scores.row(i);
    EXPECT_NEAR(row[0] + row[1] + row[2], 1, 1e-6);
  }
  EXPECT_EQ(reranker.score(texts, raw_scores()).values, reranker.encoder().encode(texts).values);
}

TEST(Reranker, OfSeveralLabelsGivesNoOrder) {
  const Reranker reranker = golden_reranker("camembert");
  const std::vector<std::string_view> texts = {"a"};
  expect_words(error_of([&] { reranker.rank("q", texts); }),
               {"unsupported", "3 scores", "contradiction, entailment, neutral", "Reranker::score"});
}

TEST(Reranker, RefusesWhatIsAboutVectors) {
  const Reranker reranker = golden_reranker("bert");
  RerankOptions options;
  options.encode.normalize = true;
  expect_words(error_of([&] { reranker.validate(options); }), {"invalid_argument", "normalize"});
  options = {};
  options.encode.dimensions = 1;
  expect_words(error_of([&] { reranker.validate(options); }), {"invalid_argument", "dimensions"});
}

TEST(Reranker, SaysThatAPairIsTooLong) {
  const Reranker reranker = golden_reranker("bert");
  const std::vector<TextPair> pairs = {{"a", "b"}, {"the ferry leaves the harbour", "a b c d e f g h i j k l m n o p"}};
  RerankOptions options;
  options.encode.truncation = Truncation::error;
  options.encode.max_length = 12;
  expect_words(error_of([&] { reranker.score(pairs, options); }),
               {"text_too_long", "text 1", "pair of texts", "the limit is 12"});
  options.encode.max_length = 3;
  expect_words(error_of([&] { reranker.score(pairs, options); }), {"invalid_argument", "must be at least 4"});
}

TEST(Reranker, IsNoEmbeddingModel) {
  for (const char* name : {"bert", "qwen3"}) {
    const auto message = error_of([&] { load_reranker(fs::path(test::model_path(name))); });
    expect_words(message, {"unsupported", "SentenceTransformer", "gives no scores", "treble embed"});
    EXPECT_FALSE(treble::is_cross_encoder(test::model_path(name)));
  }
  const ModelCopy plain("bert");
  plain.erase("modules.json");
  expect_words(error_of([&] { load_reranker(plain.path()); }), {"unsupported", "BertModel", "treble embed"});
  EXPECT_FALSE(treble::is_cross_encoder(plain.path().string()));
  EXPECT_TRUE(treble::is_cross_encoder((folder_of("bert") / "model").string()));
  EXPECT_TRUE(treble::is_cross_encoder((folder_of("electra") / "model").string()));
}

TEST(Reranker, AnEmbeddingModelSaysWhatACrossEncoderIs) {
  const auto load_vectors = [](const std::string& name) {
    return SentenceEncoder::load({.model = (folder_of(name) / "model").string(), .threads = 1});
  };
  expect_words(error_of([&] { load_vectors("electra"); }), {"unsupported", "CrossEncoder", "treble rerank"});
  // Without modules.json sentence-transformers pools it too.
  EXPECT_EQ(load_vectors("bert").info().dim, 32);
}

/// A golden reranker's folder to damage.
class RerankerCopy : public ModelCopy {
 public:
  explicit RerankerCopy(const std::string& name) : ModelCopy("rerankers/" + name) {}

  std::string error() const {
    return error_of([this] { load_reranker(path()); });
  }
  /// Writes the weights again with one tensor changed, renamed or left out.
  void rewrite(const std::string& name, const std::string& new_name, float first_value) const {
    const fs::path file = path() / "model.safetensors";
    std::vector<TensorToWrite> tensors;
    std::vector<std::vector<std::byte>> bytes;
    const auto archive = TensorArchive::open_file(file);
    bytes.reserve(archive.tensors().size());
    for (const auto& [key, tensor] : archive.tensors()) {
      if (key == name && new_name.empty()) continue;
      auto& kept = bytes.emplace_back(tensor.bytes.begin(), tensor.bytes.end());
      if (key == name && first_value != 0) std::memcpy(kept.data(), &first_value, sizeof first_value);
      tensors.push_back({key == name ? new_name : key, tensor.dtype, tensor.shape, kept});
    }
    write_safetensors(file, tensors);
  }
};

TEST(BadReranker, WithoutItsClassifierIsNamed) {
  const RerankerCopy model("bert");
  model.rewrite("classifier.weight", "", 0);
  expect_words(model.error(), {"invalid_file", "classifier.weight", "SentenceEncoder"});
}

TEST(BadReranker, WithAnotherNumberOfLabelsIsNamed) {
  const RerankerCopy model("bert-labels");
  model.set("config.json", "id2label", json({{"0", "no"}, {"1", "yes"}}));
  expect_words(model.error(), {"invalid_file", "classifier.weight", "3 rows", "2 labels"});
  model.set("config.json", "id2label", json({{"0", "no"}, {"1", "yes"}, {"7", "what"}}));
  expect_words(model.error(), {"invalid_file", "id2label", "\"7\""});
  model.set("config.json", "id2label", json(3));
  expect_words(model.error(), {"invalid_file", "id2label"});
}

TEST(BadReranker, WithANanInItsClassifierIsNamed) {
  const RerankerCopy model("roberta");
  model.rewrite("classifier.out_proj.weight", "classifier.out_proj.weight", std::numeric_limits<float>::quiet_NaN());
  expect_words(model.error(), {"invalid_file", "classifier.out_proj.weight"});
}

TEST(BadReranker, WithALargerClassifierIsNamed) {
  const RerankerCopy model("xlm-roberta");
  model.rewrite("classifier.dense.bias", "classifier.more.bias", 0);
  expect_words(model.error(), {"invalid_file", "classifier.dense.bias"});
}

TEST(BadReranker, WithAnotherActivationIsNamed) {
  const RerankerCopy model("roberta");
  model.set("config.json", "sentence_transformers", json({{"activation_fn", "torch.nn.modules.activation.Mish"}}));
  expect_words(model.error(), {"unsupported", "activation_fn", "Mish", "Identity"});
  model.set("config.json", "sentence_transformers", json({{"activation_fn", "my_code.Squash"}}));
  const Reranker reranker = load_reranker(model.path());
  EXPECT_EQ(reranker.activation(), ScoreActivation::sigmoid);
  ASSERT_EQ(reranker.info().warnings.size(), 1U);
  expect_words(reranker.info().warnings.front(), {"my_code.Squash", "trust_remote_code"});
}

TEST(BadReranker, WithModulesBesideTheTransformerIsNamed) {
  const RerankerCopy model("electra");
  auto modules = parse_json_file(model.path() / "modules.json");
  modules.push_back({{"idx", 1}, {"name", "1"}, {"path", "1_Dense"}, {"type", "sentence_transformers.x.Dense"}});
  model.write("modules.json", modules.dump());
  expect_words(model.error(), {"unsupported", "Transformer, Dense", "LogitScore"});
}

TEST(BadReranker, OfAFamilyWithoutAHeadIsNamed) {
  const ModelCopy model("t5");
  model.erase("modules.json");
  model.set("config.json", "architectures", json({"T5ForSequenceClassification"}));
  expect_words(error_of([&] { load_reranker(model.path()); }), {"unsupported", "head of a t5 model"});
}

TEST(Reranker, InFasterTypesKeepsTheOrderOfScores) {
  const GoldenPairs golden("bert");
  const Scores exact = golden_reranker("bert").score(golden.pairs, raw_scores());
  for (const ComputeType type : {ComputeType::bfloat16, ComputeType::int8}) {
    const Scores fast = load_reranker(folder_of("bert") / "model", type).score(golden.pairs, raw_scores());
    for (std::size_t i = 0; i < exact.values.size(); ++i) EXPECT_NEAR(fast.values[i], exact.values[i], 0.1);
  }
  const Reranker chosen = load_reranker(folder_of("bert") / "model", ComputeType::automatic);
  expect_words(chosen.info().dtype_reason, {"correlation of logits", "sample pairs"});
}

TEST(Reranker, SaysWhatItsScoresAreMadeOf) {
  const Reranker reranker = golden_reranker("camembert");
  const auto record = json::parse(provenance_json(reranker, raw_scores(0.7)));
  EXPECT_EQ(record.at("temperature"), "0.7");
  EXPECT_EQ(record.at("activation"), "identity");
  EXPECT_EQ(record.at("labels").size(), 3U);
  EXPECT_EQ(record.at("pooling"), "cls");
  EXPECT_FALSE(record.contains("normalized"));
  EXPECT_EQ(reranker.info().modules.back(), "Classifier: 32 to 3 logits, identity");
}

TEST(ScoreActivations, AreTheFunctionsTheyAreCalled) {
  std::vector<float> values = {0, 1000, -1000, 2};
  apply(ScoreActivation::sigmoid, values, 1);
  EXPECT_EQ(values[0], 0.5F);
  EXPECT_EQ(values[1], 1.0F);
  EXPECT_EQ(values[2], 0.0F);
  EXPECT_NEAR(values[3], 1 / (1 + std::exp(-2.0)), 1e-7);
  values = {1000, 0, 0, std::log(3.0F)};
  apply(ScoreActivation::softmax, values, 2);
  EXPECT_NEAR(values[0], 1, 1e-6);
  EXPECT_NEAR(values[3], 0.75, 1e-6);
  expect_words(error_of([&] { apply(ScoreActivation::softmax, values, 3); }), {"invalid_argument", "4", "3"});
}

}  // namespace
}  // namespace treble::internal
