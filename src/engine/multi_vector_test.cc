// Multi-vector models against sentence-transformers' MultiVectorEncoder (float32), on seeded tiny models in every form
// they are saved in; tests/golden/multi-vector is written by tools/make_golden.py.
#include "treble/multi_vector.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <limits>
#include <random>

#include "engine/encoder_access.h"
#include "engine/golden_support.h"
#include "engine/model_copy.h"
#include "engine/output_collector.h"
#include "kernels/test_support.h"
#include "safetensors/safetensors.h"
#include "treble/outputs.h"
#include "treble/provenance.h"
#include "treble/tokens.h"

namespace treble::internal {
namespace {

namespace fs = std::filesystem;
using test::error_of;
using test::expect_words;
using test::ModelCopy;
using test::read_golden;
using test::source_path;

constexpr double kMultiVectorTolerance = 1e-5;

fs::path multi_vector_folder(const std::string& name) { return source_path("tests/golden/multi-vector/" + name); }

std::vector<std::string> golden_multi_vectors() {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(multi_vector_folder(""))) {
    if (entry.is_directory()) names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

SentenceEncoder load_multi_vector(const fs::path& model, ComputeType type = ComputeType::float32) {
  return SentenceEncoder::load({.model = model.string(), .threads = 2, .dtype = type});
}

/// The Error that `body` throws.
Error thrown(const std::function<void()>& body) {
  try {
    body();
  } catch (const Error& error) {
    return error;
  }
  ADD_FAILURE() << "no error";
  return {ErrorCode::internal, "no error"};
}

OutputOptions of_role(TextRole role, double tau = 1) {
  OutputOptions options;
  options.role = role;
  options.encode.temperature = Temperature::constant(tau);
  return options;
}

constexpr std::array kRoles = {TextRole::query, TextRole::document};

class GoldenMultiVector : public ::testing::TestWithParam<std::string> {
 protected:
  nlohmann::json golden(const std::string& key) const { return cases.at(key); }
  const nlohmann::json cases = parse_json_file(multi_vector_folder(GetParam()) / "cases.json");
  const std::vector<std::string> owned = cases.at("texts").get<std::vector<std::string>>();
  const std::vector<std::string_view> texts = test::views(owned);
  const SentenceEncoder encoder = load_multi_vector(multi_vector_folder(GetParam()) / "model");
  const TensorArchive expected = TensorArchive::open_file(multi_vector_folder(GetParam()) / "expected.safetensors");
};

TEST_P(GoldenMultiVector, TokensEqualSentenceTransformers) {
  constexpr OutputKind kKind = OutputKind::multi_vector;
  for (const TextRole role : kRoles) {
    const CallPlan plan = plan_outputs(encoder, {&kKind, 1}, of_role(role));
    for (std::size_t i = 0; i < texts.size(); ++i) {
      const TokenizedText text = EncoderAccess::tokenize(encoder, plan, texts[i], 0);
      EXPECT_EQ(text.ids, cases.at(to_string(role) + "_ids").at(i).get<std::vector<std::int32_t>>()) << i;
      EXPECT_EQ(text.expansion_tokens, cases.at(to_string(role) + "_expansion").at(i).get<std::int32_t>()) << i;
    }
  }
}

TEST_P(GoldenMultiVector, VectorsEqualSentenceTransformersAtEveryTemperature) {
  for (const TextRole role : kRoles) {
    for (const auto& [tau, name] : {std::pair(1.0, "tau=1/"), std::pair(0.7, "tau=0.7/")}) {
      SCOPED_TRACE(name + to_string(role));
      const MultiVectors vectors = encode_multi(encoder, texts, of_role(role, tau));
      ASSERT_EQ(vectors.count, std::ssize(texts));
      for (std::int64_t i = 0; i < vectors.count; ++i) {
        EXPECT_EQ(vectors.row(i).count, cases.at(to_string(role) + "_rows").at(static_cast<std::size_t>(i))) << i;
      }
      const auto golden = read_golden(expected, name + to_string(role));
      ASSERT_EQ(golden.shape, (std::vector<std::int64_t>{vectors.offsets.back(), vectors.dim}));
      EXPECT_LE(test::max_abs_difference({vectors.values.data(), vectors.offsets.back(), vectors.dim}, golden.view()),
                kMultiVectorTolerance);
    }
  }
}

TEST_P(GoldenMultiVector, ScoresEqualSentenceTransformers) {
  const auto golden = read_golden(expected, "scores");
  const bool mean = cases.at("similarity") == "meanmaxsim";
  const auto scores = max_sim(encode_multi(encoder, texts, of_role(TextRole::query)),
                              encode_multi(encoder, texts, of_role(TextRole::document)), {.mean = mean});
  ASSERT_EQ(scores.size(), golden.values.size());
  for (std::size_t i = 0; i < scores.size(); ++i) EXPECT_NEAR(scores[i], golden.values[i], 5e-5) << i;
}

TEST_P(GoldenMultiVector, ATextsVectorsDoNotDependOnItsCompanions) {
  for (const TextRole role : kRoles) {
    const MultiVectors all = encode_multi(encoder, texts, of_role(role));
    for (std::size_t i = 0; i < texts.size(); ++i) {
      const MultiVectors alone = encode_multi(encoder, {&texts[i], 1}, of_role(role));
      const auto own = all.row(static_cast<std::int64_t>(i));
      ASSERT_EQ(alone.values.size(), own.values.size());
      for (std::size_t k = 0; k < own.values.size(); ++k) EXPECT_NEAR(alone.values[k], own.values[k], 1e-6);
      EXPECT_EQ(alone.token_counts[0].tokens, all.token_counts[i].tokens);
      EXPECT_EQ(alone.token_counts[0].used, all.token_counts[i].used);
    }
    OutputOptions small = of_role(role);
    small.encode.batch_tokens = 40;
    const MultiVectors split = encode_multi(encoder, texts, small);
    ASSERT_EQ(split.offsets, all.offsets);
    for (std::size_t k = 0; k < all.values.size(); ++k) ASSERT_NEAR(split.values[k], all.values[k], 1e-6);
  }
}

TEST_P(GoldenMultiVector, SaysWhatItGivesAndRefusesTheRest) {
  EXPECT_EQ(encoder.info().outputs, std::vector<OutputKind>{OutputKind::multi_vector});
  const Error error = thrown([&] { encoder.encode(texts); });
  EXPECT_EQ(error.code(), ErrorCode::unsupported);
  expect_words(error.what(), {"no dense output", "encode_multi"});
  EXPECT_TRUE(encode_multi(encoder, {}).values.empty());
}

INSTANTIATE_TEST_SUITE_P(Models, GoldenMultiVector, ::testing::ValuesIn(golden_multi_vectors()), [](const auto& param) {
  std::string name = param.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

TEST(MultiVector, CountsAreOfTheTextWithoutItsExpansion) {
  const auto encoder = load_multi_vector(multi_vector_folder("pylate-bert") / "model");
  const std::vector<std::string_view> texts = {"a", "The reader's attention fades when the sentence goes on and on."};
  const MultiVectors queries = encode_multi(encoder, texts, of_role(TextRole::query));
  EXPECT_EQ(queries.token_counts[0].tokens, 4);
  EXPECT_EQ(queries.token_counts[0].used, 4);
  EXPECT_GT(queries.token_counts[1].tokens, 12);
  EXPECT_EQ(queries.token_counts[1].used, 12);
  EXPECT_EQ(queries.offsets, (std::vector<std::int64_t>{0, 12, 24}));
}

TEST(MultiVector, AModelOfOneVectorATextHasNoOthers) {
  const auto encoder = load_multi_vector(test::source_path("tests/golden/bert/model"));
  const std::vector<std::string_view> texts = {"a"};
  const Error error = thrown([&] { encode_multi(encoder, texts); });
  EXPECT_EQ(error.code(), ErrorCode::unsupported);
  expect_words(error.what(), {"no multi-vector output", "dense"});
}

TEST(MultiVector, LimitsThatTheModelsQueriesCannotHaveAreErrors) {
  const auto encoder = load_multi_vector(multi_vector_folder("pylate-bert") / "model");
  const std::vector<std::string_view> texts = {"a"};
  OutputOptions options = of_role(TextRole::query);
  options.encode.max_length = 10;
  expect_words(error_of([&] { encode_multi(encoder, texts, options); }), {"max_length is 10", "exactly 12"});
  options.role = TextRole::document;
  EXPECT_EQ(encode_multi(encoder, texts, options).count, 1);
  options.encode.max_length.reset();
  options.encode.normalize = true;
  EXPECT_EQ(thrown([&] { encode_multi(encoder, texts, options); }).code(), ErrorCode::invalid_argument);
}

struct BadFolder {
  const char* model;
  const char* file;
  std::function<void(nlohmann::json&)> change;
  std::vector<std::string> words;
};

TEST(MultiVector, FoldersThatSayWhatCannotBeFollowedAreErrors) {
  const char* kSettings = "config_sentence_transformers.json";
  const char* kTransformer = "sentence_bert_config.json";
  const std::vector<BadFolder> folders = {
      {"pylate-bert", kSettings, [](auto& json) { json["query_length"] = 0; }, {kSettings, "query_length", "0"}},
      {"pylate-bert", kSettings, [](auto& json) { json["skiplist_words"] = 3; }, {"skiplist_words", "list"}},
      {"pylate-bert", "modules.json", [](auto& json) { json[1]["type"] = "pylate.models.Other"; }, {"Other"}},
      {"pylate-bert", "1_Dense/config.json", [](auto& json) { json["in_features"] = 31; }, {"31"}},
      {"native-modernbert",
       kTransformer,
       [](auto& json) { json["query_expansion"]["strategy"] = "late"; },
       {"strategy", "late", "fixed"}},
      {"native-modernbert",
       kTransformer,
       [](auto& json) { json["query_expansion"]["token"] = "[NONE]"; },
       {"[NONE]", "tokenizer"}},
      {"native-modernbert", kTransformer, [](auto& json) { json["query_length"] = 8; }, {"query_length", "8", "32"}},
      {"native-modernbert", "modules.json", [](auto& json) { json.erase(2); }, {"MultiVectorMask"}},
      {"native-modernbert",
       "modules.json",
       [](auto& json) {
         json[3]["type"] = "sentence_transformers.multi_vector_encoder.modules.HierarchicalTokenPooling";
       },
       {"HierarchicalTokenPooling"}},
      {"native-modernbert",
       "tokenizer_config.json",
       [](auto& json) { json["padding_side"] = "left"; },
       {"padding_side"}},
      {"stanford-bert", "artifact.metadata", [](auto& json) { json["similarity"] = "l2"; }, {"similarity", "l2"}},
  };
  for (const BadFolder& bad : folders) {
    SCOPED_TRACE(std::string(bad.model) + "/" + bad.file + ", " + bad.words.front());
    const ModelCopy copy("multi-vector/" + std::string(bad.model));
    nlohmann::json json = parse_json_file(copy.path() / bad.file);
    bad.change(json);
    copy.write(bad.file, json.dump());
    expect_words(error_of([&] { load_multi_vector(copy.path()); }), bad.words);
  }
}

TEST(MultiVector, MarksCannotBeSplitAsText) {
  const std::string model = (multi_vector_folder("stanford-bert") / "model").string();
  const Error error = thrown([&] { SentenceEncoder::load({.model = model, .special_tokens_as_text = true}); });
  EXPECT_EQ(error.code(), ErrorCode::unsupported);
  expect_words(error.what(), {"special_tokens_as_text", "marks"});
}

TEST(MultiVector, OtherTypesStayClose) {
  const auto folder = multi_vector_folder("pylate-modernbert") / "model";
  const std::vector<std::string_view> texts = {"a short query", "The ferry leaves the harbour at nine."};
  for (const TextRole role : kRoles) {
    const MultiVectors exact = encode_multi(load_multi_vector(folder), texts, of_role(role));
    for (const ComputeType type : {ComputeType::bfloat16, ComputeType::int8}) {
      const MultiVectors fast = encode_multi(load_multi_vector(folder, type), texts, of_role(role));
      ASSERT_EQ(fast.offsets, exact.offsets);
      double cosine = 0;
      for (std::size_t i = 0; i < exact.values.size(); ++i) cosine += double{fast.values[i]} * double{exact.values[i]};
      EXPECT_GT(cosine / static_cast<double>(exact.offsets.back()), type == ComputeType::int8 ? 0.99 : 0.998);
    }
  }
}

TEST(MultiVector, AutomaticTypeIsChosenByTheVectorsOfTokens) {
  const auto encoder = load_multi_vector(multi_vector_folder("pylate-bert") / "model", ComputeType::automatic);
  EXPECT_NE(encoder.info().dtype_reason.find("mean cosine"), std::string::npos) << encoder.info().dtype_reason;
}

TEST(MultiVector, WhatWasReadIsInTheProvenance) {
  const auto encoder = load_multi_vector(multi_vector_folder("pylate-bert") / "model");
  const auto json =
      nlohmann::json::parse(provenance_json(encoder, OutputKind::multi_vector, of_role(TextRole::query, 0.7)));
  EXPECT_EQ(json.at("temperature"), "0.7");
  EXPECT_EQ(json.at("output"), "multi-vector");
  EXPECT_EQ(json.at("similarity"), "maxsim");
  EXPECT_EQ(json.at("dim"), 16);
  EXPECT_EQ(json.at("role"), "query");
  EXPECT_EQ(json.at("prompt"), "[Q] ");
}

/// BGE-M3's layer over the hidden states, as FlagEmbedding has it: all tokens but the first, of length 1.
TEST(MultiVector, OfBgeM3AreALinearLayerOverAllTokensButTheFirst) {
  const ModelCopy copy("sparse/bge-m3");
  constexpr std::int64_t kHidden = 32;
  constexpr std::int64_t kDim = 12;
  const auto weight = test::random_values(kDim * kHidden, 5);
  const auto bias = test::random_values(kDim, 6);
  const std::array tensors = {TensorToWrite{"weight", DType::kF32, {kDim, kHidden}, std::as_bytes(std::span(weight))},
                              TensorToWrite{"bias", DType::kF32, {kDim}, std::as_bytes(std::span(bias))}};
  write_safetensors(copy.path() / kTokenVectorsFile, tensors);
  const SentenceEncoder encoder = copy.load();
  constexpr std::array kAll = {OutputKind::dense, OutputKind::sparse, OutputKind::multi_vector};
  EXPECT_EQ(encoder.info().outputs, std::vector<OutputKind>(kAll.begin(), kAll.end()));
  const std::vector<std::string_view> texts = {"The ferry leaves the harbour at nine.", "", "a letter"};
  for (const double tau : {1.0, 0.7}) {
    OutputOptions options;
    options.encode.temperature = Temperature::constant(tau);
    const Outputs outputs = encode_outputs(encoder, texts, kAll, options);
    const auto states = token_embeddings(encoder, texts, options.encode);
    for (std::size_t i = 0; i < texts.size(); ++i) {
      const TokenVectors own = outputs.multi_vector->row(static_cast<std::int64_t>(i));
      ASSERT_EQ(own.count, states[i].num_tokens - 1);
      for (std::int64_t row = 0; row < own.count; ++row) {
        std::array<double, kDim> wanted{};
        double square = 0;
        for (std::size_t c = 0; c < kDim; ++c) {
          wanted[c] = double{bias[c]};
          for (std::size_t h = 0; h < kHidden; ++h) {
            wanted[c] += double{weight[c * kHidden + h]} *
                         double{states[i].values[static_cast<std::size_t>(row + 1) * kHidden + h]};
          }
          square += wanted[c] * wanted[c];
        }
        for (std::size_t c = 0; c < kDim; ++c) {
          EXPECT_NEAR(own.values[static_cast<std::size_t>(row) * kDim + c], wanted[c] / std::sqrt(square), 2e-6);
        }
      }
    }
    const MultiVectors alone = encode_multi(encoder, texts, options);
    ASSERT_EQ(alone.offsets, outputs.multi_vector->offsets);
    for (std::size_t k = 0; k < alone.values.size(); ++k) {
      EXPECT_NEAR(alone.values[k], outputs.multi_vector->values[k], 1e-6);
    }
    const Embeddings dense = encoder.encode(texts, options.encode);
    for (std::size_t k = 0; k < dense.values.size(); ++k) EXPECT_NEAR(dense.values[k], outputs.dense->values[k], 1e-6);
    EXPECT_EQ(encode_sparse(encoder, texts, options).indices, outputs.sparse->indices);
  }
}

// ---- scores -----------------------------------------------------------------------------------------------------

MultiVectors drawn_vectors(std::mt19937& draw, std::int64_t count, std::int64_t dim) {
  MultiVectors vectors{.count = count, .dim = dim};
  std::normal_distribution<float> normal;
  for (std::int64_t i = 0; i < count; ++i) {
    vectors.offsets.push_back(vectors.offsets.back() + std::uniform_int_distribution<std::int64_t>(1, 40)(draw));
  }
  vectors.values.resize(static_cast<std::size_t>(vectors.offsets.back() * dim));
  for (float& value : vectors.values) value = normal(draw);
  return vectors;
}

double naive_score(const TokenVectors& query, const TokenVectors& document) {
  double sum = 0;
  for (std::int64_t i = 0; i < query.count; ++i) {
    double greatest = -std::numeric_limits<double>::infinity();
    for (std::int64_t j = 0; j < document.count; ++j) {
      double product = 0;
      for (std::int64_t c = 0; c < query.dim; ++c) {
        product += double{query.values[static_cast<std::size_t>(i * query.dim + c)]} *
                   double{document.values[static_cast<std::size_t>(j * query.dim + c)]};
      }
      greatest = std::max(greatest, product);
    }
    sum += greatest;
  }
  return sum;
}

TEST(MaxSimScores, EqualTheirDefinitionForDrawnVectors) {
  for (unsigned seed = 0; seed < 20; ++seed) {
    std::mt19937 draw(seed);
    const std::int64_t dim = std::uniform_int_distribution<std::int64_t>(1, 130)(draw);
    const MultiVectors queries = drawn_vectors(draw, 1 + seed % 4, dim);
    const MultiVectors documents = drawn_vectors(draw, 1 + seed % 7, dim);
    const auto scores = max_sim(queries, documents);
    const auto means = max_sim(queries, documents, {.mean = true, .threads = 3});
    for (std::int64_t q = 0; q < queries.count; ++q) {
      for (std::int64_t d = 0; d < documents.count; ++d) {
        const auto at = static_cast<std::size_t>(q * documents.count + d);
        const double naive = naive_score(queries.row(q), documents.row(d));
        EXPECT_NEAR(scores[at], naive, 1e-5 * (1 + std::abs(naive)));
        EXPECT_FLOAT_EQ(means[at], scores[at] / static_cast<float>(queries.row(q).count));
      }
    }
  }
}

TEST(MultiVectorsInt8, AreOffByHalfAScaleAtMost) {
  std::mt19937 draw(3);
  MultiVectors vectors = drawn_vectors(draw, 4, 33);
  std::fill_n(vectors.values.begin(), 33, 0.0F);
  std::fill_n(vectors.values.begin() + 33, 33, 1e-45F);
  const Int8MultiVectors codes = to_int8(vectors);
  const MultiVectors back = to_float32(codes);
  EXPECT_EQ(back.offsets, vectors.offsets);
  EXPECT_EQ(codes.scales[0], 0);
  for (std::size_t i = 66; i < vectors.values.size(); ++i) {
    EXPECT_LE(std::abs(back.values[i] - vectors.values[i]), 0.5001F * codes.scales[i / 33]) << i;
  }
  for (std::size_t i = 0; i < 66; ++i) EXPECT_LE(std::abs(back.values[i]), 1e-44F);
  EXPECT_EQ(*std::max_element(codes.codes.begin() + 66, codes.codes.begin() + 99,
                              [](auto a, auto b) { return std::abs(a) < std::abs(b); }) %
                127,
            0);
  Int8MultiVectors short_of = codes;
  short_of.scales.pop_back();
  expect_words(error_of([&] { to_float32(short_of); }), {"scales"});
  vectors.values[70] = std::numeric_limits<float>::infinity();
  EXPECT_EQ(thrown([&] { to_int8(vectors); }).code(), ErrorCode::non_finite);
}

TEST(MaxSimScores, WhatHasNoScoreIsAnErrorThatNamesIt) {
  std::mt19937 draw(1);
  const MultiVectors queries = drawn_vectors(draw, 2, 4);
  const MultiVectors documents = drawn_vectors(draw, 3, 4);
  MultiVectors empty = documents;
  empty.offsets = {0, documents.offsets[1], documents.offsets[1], documents.offsets[3]};
  const Error none = thrown([&] { max_sim(queries, empty); });
  EXPECT_EQ(none.text_index(), 1);
  expect_words(none.what(), {"text 1", "no vectors", "documents"});
  MultiVectors broken = documents;
  broken.values[static_cast<std::size_t>(documents.offsets[2]) * 4 + 1] = std::numeric_limits<float>::quiet_NaN();
  const Error nan = thrown([&] { max_sim(queries, broken); });
  EXPECT_EQ(nan.code(), ErrorCode::non_finite);
  EXPECT_EQ(nan.text_index(), 2);
  expect_words(error_of([&] { max_sim(queries, drawn_vectors(draw, 1, 5)); }), {"4", "5", "dimensions"});
  MultiVectors short_of = documents;
  short_of.offsets.pop_back();
  expect_words(error_of([&] { max_sim(queries, short_of); }), {"documents", "offsets"});
  EXPECT_THROW(documents.row(3), Error);
  EXPECT_TRUE(max_sim(queries, MultiVectors{.dim = 4}).empty());
}

}  // namespace
}  // namespace treble::internal
