// Sparse outputs against sentence-transformers' SparseEncoder (float32) on seeded tiny models of every family whose
// head is known, and against the definition of BGE-M3's; tests/golden/sparse is written by tools/make_golden.py.
#include "treble/sparse.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <random>

#include "engine/golden_support.h"
#include "engine/model_copy.h"
#include "kernels/test_support.h"
#include "safetensors/safetensors.h"
#include "treble/outputs.h"
#include "treble/provenance.h"
#include "treble/tokens.h"

namespace treble::internal {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using test::error_of;
using test::expect_words;
using test::Golden;
using test::ModelCopy;
using test::read_golden;
using test::source_path;

constexpr double kTolerance = 1e-5;

std::vector<std::string> golden_sparse_models() {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(source_path("tests/golden/sparse"))) {
    names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

fs::path sparse_folder(const std::string& name) { return source_path("tests/golden/sparse/" + name); }

SentenceEncoder load_sparse(const std::string& name, ComputeType type = ComputeType::float32, int threads = 2) {
  return SentenceEncoder::load({.model = (sparse_folder(name) / "model").string(), .threads = threads, .dtype = type});
}

std::vector<float> dense_row(const SparseRow& row, std::int64_t dim) {
  std::vector<float> values(static_cast<std::size_t>(dim));
  for (std::size_t i = 0; i < row.indices.size(); ++i) values[static_cast<std::size_t>(row.indices[i])] = row.values[i];
  return values;
}

/// Of weights above 1, which sums over all tokens are, relative to the weight.
double sparse_difference(const SparseVectors& sparse, const Golden& golden) {
  EXPECT_EQ(golden.shape, (std::vector<std::int64_t>{sparse.count, sparse.dim}));
  double largest = 0;
  for (std::int64_t text = 0; text < sparse.count; ++text) {
    const auto row = dense_row(sparse.row(text), sparse.dim);
    for (std::int64_t token = 0; token < sparse.dim; ++token) {
      const double expected = golden.view().row(text)[token];
      const double difference = std::abs(double{row[static_cast<std::size_t>(token)]} - expected);
      largest = std::max(largest, difference / std::max(1.0, std::abs(expected)));
    }
  }
  return largest;
}

void expect_same_rows(const SparseRow& a, const SparseRow& b, std::int64_t dim) {
  const auto left = dense_row(a, dim);
  const auto right = dense_row(b, dim);
  for (std::size_t i = 0; i < left.size(); ++i) {
    // Products of other numbers of rows may sum in another order: 2.1e-6 with SSE4.1 on Zen 3.
    ASSERT_NEAR(left[i], right[i], 4e-6 * std::max(1.0F, std::abs(right[i]))) << i;
  }
}

OutputOptions sparse_options(double tau) {
  OutputOptions options;
  options.encode.temperature = Temperature::constant(tau);
  return options;
}

class GoldenSparse : public ::testing::TestWithParam<std::string> {
 protected:
  const json cases = parse_json_file(sparse_folder(GetParam()) / "cases.json");
  const std::vector<std::string> owned = cases.at("texts").get<std::vector<std::string>>();
  const std::vector<std::string_view> texts = test::views(owned);
  const SentenceEncoder encoder = load_sparse(GetParam());
  const TensorArchive expected = TensorArchive::open_file(sparse_folder(GetParam()) / "expected.safetensors");
};

TEST_P(GoldenSparse, WeightsEqualTheReferenceAtEveryTemperature) {
  const SparseVectors sparse = encode_sparse(encoder, texts);
  EXPECT_LE(sparse_difference(sparse, read_golden(expected, "tau=1")), kTolerance);
  EXPECT_LE(sparse_difference(encode_sparse(encoder, texts, sparse_options(0.7)), read_golden(expected, "tau=0.7")),
            kTolerance);
  EXPECT_EQ(encoder.info().max_length, cases.at("limit").get<std::int64_t>());
  for (std::size_t i = 0; i < texts.size(); ++i) {
    EXPECT_EQ(sparse.token_counts[i].tokens, cases.at("tokens").at(i).get<std::int64_t>());
    EXPECT_EQ(sparse.token_counts[i].used, std::min(sparse.token_counts[i].tokens, encoder.info().max_length));
  }
}

TEST_P(GoldenSparse, ATextsWeightsDependOnTheTextAlone) {
  const SparseVectors together = encode_sparse(encoder, texts);
  OutputOptions small;
  small.encode.batch_tokens = 24;
  const SparseVectors in_small_batches = encode_sparse(encoder, texts, small);
  std::vector<std::string_view> reversed(texts.rbegin(), texts.rend());
  const SparseVectors backwards = encode_sparse(encoder, reversed);
  const SentenceEncoder other = load_sparse(GetParam(), ComputeType::float32, 1);
  for (std::int64_t text = 0; text < together.count; ++text) {
    const auto i = static_cast<std::size_t>(text);
    const SparseVectors alone = encode_sparse(other, std::span(&texts[i], 1));
    expect_same_rows(alone.row(0), together.row(text), together.dim);
    expect_same_rows(in_small_batches.row(text), together.row(text), together.dim);
    expect_same_rows(backwards.row(together.count - 1 - text), together.row(text), together.dim);
  }
}

TEST_P(GoldenSparse, RowsAreWellFormed) {
  const SparseVectors sparse = encode_sparse(encoder, texts);
  ASSERT_EQ(std::ssize(sparse.offsets), sparse.count + 1);
  EXPECT_EQ(sparse.offsets.front(), 0);
  EXPECT_EQ(sparse.offsets.back(), std::ssize(sparse.indices));
  EXPECT_EQ(sparse.indices.size(), sparse.values.size());
  for (std::int64_t text = 0; text < sparse.count; ++text) {
    const SparseRow row = sparse.row(text);
    EXPECT_TRUE(std::is_sorted(row.indices.begin(), row.indices.end(), std::less_equal<>()));
    EXPECT_TRUE(std::all_of(row.values.begin(), row.values.end(), [](float value) { return value > 0; }));
  }
}

TEST_P(GoldenSparse, FasterTypesStayClose) {
  OutputOptions all;
  all.max_active_dims = encoder.info().vocab_size;
  const SparseVectors exact = encode_sparse(encoder, texts, all);
  const float largest = *std::max_element(exact.values.begin(), exact.values.end());
  for (const ComputeType type : {ComputeType::bfloat16, ComputeType::int8}) {
    const SentenceEncoder faster = load_sparse(GetParam(), type);
    const SparseVectors found = encode_sparse(faster, texts, all);
    for (std::int64_t text = 0; text < exact.count; ++text) {
      const SparseRow a = exact.row(text);
      const SparseRow b = found.row(text);
      if (GetParam() == "bge-m3") {
        // Many of its few weights are near 0, and come and go, so that no angle says anything: they stay within a
        // twentieth of the largest. With AVX2's narrower codes they are off by up to a thirty-fifth.
        std::map<std::int32_t, float> differences;
        for (std::size_t i = 0; i < a.indices.size(); ++i) differences[a.indices[i]] += a.values[i];
        for (std::size_t i = 0; i < b.indices.size(); ++i) differences[b.indices[i]] -= b.values[i];
        for (const auto& [token, difference] : differences) {
          EXPECT_LT(std::abs(difference), 0.05F * largest) << to_string(type) << " " << text << " " << token;
        }
        continue;
      }
      EXPECT_GT(dot(a, b) / std::sqrt(dot(a, a) * dot(b, b)), 0.99) << to_string(type) << " " << text;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Families, GoldenSparse, ::testing::ValuesIn(golden_sparse_models()), [](const auto& test) {
  std::string name = test.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

TEST(GoldenSparseModels, AreAllThere) {
  const auto models = golden_sparse_models();
  for (const char* model : {"bert", "bert-old-sum", "bert-untied", "distilbert", "roberta-bare", "xlm-roberta",
                            "mpnet-bare", "electra", "albert", "modernbert", "gte", "bge-m3"}) {
    EXPECT_NE(std::find(models.begin(), models.end(), model), models.end()) << model;
  }
}

TEST(Sparse, KeepsTheLargestWeights) {
  for (const std::string name : {"bert", "bert-untied", "modernbert"}) {
    const auto expected = TensorArchive::open_file(sparse_folder(name) / "expected.safetensors");
    const auto owned = test::read_texts(sparse_folder(name) / "cases.json");
    const SentenceEncoder encoder = load_sparse(name);
    OutputOptions options;
    options.max_active_dims = 3;
    const SparseVectors sparse = encode_sparse(encoder, test::views(owned), options);
    EXPECT_LE(sparse_difference(sparse, read_golden(expected, "top=3")), kTolerance);
    for (std::int64_t text = 0; text < sparse.count; ++text) EXPECT_EQ(sparse.row(text).values.size(), 3U);
  }
  // This one's files say how many.
  const SentenceEncoder limited = load_sparse("bert-untied");
  const std::vector<std::string_view> texts = {"The ferry leaves the harbour."};
  EXPECT_EQ(encode_sparse(limited, texts).values.size(), 7U);
  OutputOptions none;
  none.max_active_dims = 0;
  EXPECT_EQ(error_of([&] { encode_sparse(limited, texts, none); }).substr(0, 16), "invalid_argument");
}

TEST(Sparse, ARoleTakesTheModelsPrompt) {
  const auto owned = test::read_texts(sparse_folder("bert-untied") / "cases.json");
  const auto expected = TensorArchive::open_file(sparse_folder("bert-untied") / "expected.safetensors");
  const SentenceEncoder encoder = load_sparse("bert-untied");
  OutputOptions options;
  options.role = TextRole::query;
  EXPECT_LE(sparse_difference(encode_sparse(encoder, test::views(owned), options), read_golden(expected, "query")),
            kTolerance);
  options.role = TextRole::document;
  EXPECT_LE(sparse_difference(encode_sparse(encoder, test::views(owned), options), read_golden(expected, "tau=1")),
            kTolerance);
}

TEST(Sparse, DecodesAsSentenceTransformers) {
  for (const std::string name : {"bert", "xlm-roberta", "distilbert"}) {
    const json cases = parse_json_file(sparse_folder(name) / "cases.json");
    const auto owned = cases.at("texts").get<std::vector<std::string>>();
    const SentenceEncoder encoder = load_sparse(name);
    const SparseVectors sparse = encode_sparse(encoder, test::views(owned));
    const auto tokens = decode_sparse(encoder, sparse.row(0));
    const auto& expected = cases.at("decoded").at(0);
    ASSERT_EQ(tokens.size(), expected.size());
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      EXPECT_NEAR(tokens[i].weight, expected.at(i).at(1).get<float>(), kTolerance * std::max(1.0F, tokens[i].weight));
      // Neighbours whose weights are closer than the tolerance may stand either way round.
      const auto weight_of = [&](std::size_t place) { return expected.at(place).at(1).get<double>(); };
      const bool apart =
          (i == 0 || weight_of(i - 1) - weight_of(i) > 2 * kTolerance * std::max(1.0, weight_of(i))) &&
          (i + 1 == tokens.size() || weight_of(i) - weight_of(i + 1) > 2 * kTolerance * std::max(1.0, weight_of(i)));
      if (apart) {
        EXPECT_EQ(tokens[i].token, expected.at(i).at(0).get<std::string>()) << name << " " << i;
      }
    }
    EXPECT_EQ(decode_sparse(encoder, sparse.row(0), 4).size(), 4U);
  }
}

TEST(Sparse, DotProductsAreThoseOfTheDenseRows) {
  std::mt19937 generator(7);
  const auto random_vectors = [&](std::int64_t count) {
    SparseVectors vectors;
    vectors.count = count;
    vectors.dim = 50;
    vectors.offsets = {0};
    for (std::int64_t row = 0; row < count; ++row) {
      for (std::int32_t id = 0; id < 50; ++id) {
        if (generator() % 3 != 0) continue;
        vectors.indices.push_back(id);
        vectors.values.push_back(static_cast<float>(generator() % 1000) / 250);
      }
      vectors.offsets.push_back(std::ssize(vectors.indices));
    }
    return vectors;
  };
  const SparseVectors a = random_vectors(5);
  const SparseVectors b = random_vectors(4);
  const auto products = dot_products(a, b);
  for (std::int64_t i = 0; i < 5; ++i) {
    for (std::int64_t j = 0; j < 4; ++j) {
      const auto left = dense_row(a.row(i), 50);
      const auto right = dense_row(b.row(j), 50);
      double sum = 0;
      for (std::size_t k = 0; k < 50; ++k) sum += double{left[k]} * double{right[k]};
      EXPECT_NEAR(products[static_cast<std::size_t>(i * 4 + j)], sum, 1e-4);
    }
  }
  SparseVectors narrow = b;
  narrow.dim = 49;
  expect_words(error_of([&] { dot_products(a, narrow); }), {"invalid_argument", "50", "49"});
  EXPECT_EQ(error_of([&] { std::ignore = a.row(5); }).substr(0, 16), "invalid_argument");
}

TEST(Sparse, AModelOfSpladeHasNoDenseVectors) {
  const SentenceEncoder encoder = load_sparse("bert");
  EXPECT_EQ(encoder.info().outputs, std::vector{OutputKind::sparse});
  EXPECT_EQ(encoder.info().dim, 0);
  const std::vector<std::string_view> texts = {"a"};
  expect_words(error_of([&] { encoder.encode(texts); }), {"unsupported", "no dense output", "encode_sparse"});
  expect_words(error_of([&] { encoder.output_dim(); }), {"unsupported", "no dense output"});
  OutputOptions options;
  options.encode.normalize = true;
  expect_words(error_of([&] { encode_sparse(encoder, texts, options); }), {"invalid_argument", "normalize"});
}

TEST(Sparse, TokensOfAModelOfSpladeCanBeSeen) {
  const SentenceEncoder encoder = load_sparse("bert");
  const std::vector<std::string_view> texts = {"a letter"};
  const auto ids = token_ids(encoder, texts);
  EXPECT_EQ(std::ssize(ids.front()), encode_sparse(encoder, texts).token_counts.front().used);
  EXPECT_EQ(token_embeddings(encoder, texts).front().num_tokens, std::ssize(ids.front()));
}

TEST(Sparse, AModelOfDenseVectorsHasNoSparseOnes) {
  const auto encoder = SentenceEncoder::load({.model = test::model_path("bert"), .threads = 1});
  EXPECT_EQ(encoder.info().outputs, std::vector{OutputKind::dense});
  const std::vector<std::string_view> texts = {"a"};
  expect_words(error_of([&] { encode_sparse(encoder, texts); }), {"unsupported", "no sparse output", "dense"});
  expect_words(error_of([&] { encode_outputs(encoder, texts, {}); }), {"invalid_argument", "no output"});
}

TEST(Sparse, NoTextsGiveNoRows) {
  const SparseVectors sparse = encode_sparse(load_sparse("bert"), {});
  EXPECT_EQ(sparse.count, 0);
  EXPECT_EQ(sparse.offsets, std::vector<std::int64_t>{0});
}

TEST(Sparse, BareFoldersOfMaskedModelsHaveBothOutputs) {
  const SentenceEncoder encoder = load_sparse("roberta-bare");
  EXPECT_EQ(encoder.info().outputs, (std::vector{OutputKind::dense, OutputKind::sparse}));
  const std::vector<std::string_view> texts = {"The ferry leaves.", "b"};
  constexpr std::array kBoth = {OutputKind::dense, OutputKind::sparse};
  const Outputs outputs = encode_outputs(encoder, texts, kBoth);
  const Embeddings dense = encoder.encode(texts);
  for (std::size_t i = 0; i < dense.values.size(); ++i) {
    EXPECT_NEAR(outputs.dense->values[i], dense.values[i], 2e-6);
  }
  EXPECT_EQ(outputs.sparse->count, 2);
}

TEST(Sparse, BgeM3GivesDenseAndSparseInOnePass) {
  const auto owned = test::read_texts(sparse_folder("bge-m3") / "cases.json");
  const auto expected = TensorArchive::open_file(sparse_folder("bge-m3") / "expected.safetensors");
  const SentenceEncoder encoder = load_sparse("bge-m3");
  EXPECT_EQ(encoder.info().outputs, (std::vector{OutputKind::dense, OutputKind::sparse}));
  constexpr std::array kBoth = {OutputKind::sparse, OutputKind::dense};
  for (const double tau : {1.0, 0.7}) {
    const Outputs outputs = encode_outputs(encoder, test::views(owned), kBoth, sparse_options(tau));
    const std::string name = tau == 1 ? "tau=1" : "tau=0.7";
    EXPECT_LE(sparse_difference(*outputs.sparse, read_golden(expected, name)), kTolerance);
    const Golden dense = read_golden(expected, "dense/" + name);
    const ConstMatrixView found(outputs.dense->values.data(), outputs.dense->count, outputs.dense->dim);
    EXPECT_LE(test::max_abs_difference(found, dense.view()), kTolerance);
  }
}

TEST(Sparse, TemperatureAndLimitsAreInTheProvenance) {
  const SentenceEncoder encoder = load_sparse("bert-untied");
  OutputOptions options = sparse_options(0.7);
  options.role = TextRole::query;
  const json provenance = json::parse(provenance_json(encoder, OutputKind::sparse, options));
  EXPECT_EQ(provenance.at("temperature"), "0.7");
  EXPECT_EQ(provenance.at("output"), "sparse");
  EXPECT_EQ(provenance.at("dim"), encoder.info().vocab_size);
  EXPECT_EQ(provenance.at("max_active_dims"), 7);
  EXPECT_EQ(provenance.at("prompt"), "ask: ");
  EXPECT_FALSE(provenance.contains("normalized"));
}

TEST(SparseFiles, ThatAreWrongAreNamed) {
  const ModelCopy model("sparse/bert");
  const auto error_with = [&](const std::string& key, const json& value) {
    const ModelCopy copy("sparse/bert-old-sum");
    copy.set("1_SpladePooling/config.json", key, value);
    return copy.load_error();
  };
  expect_words(error_with("pooling_strategy", "mean"), {"unsupported", "pooling_strategy", "mean", "max and sum"});
  expect_words(error_with("activation_function", "gelu"), {"unsupported", "activation_function", "gelu"});
  expect_words(error_with("threshold", 0.5), {"unsupported", "threshold"});
  model.set("config_sentence_transformers.json", "max_active_dims", 0);
  expect_words(model.load_error(), {"invalid_file", "max_active_dims", "0"});
}

TEST(SparseFiles, OfOtherModulesAreRefusedByName) {
  const ModelCopy model("sparse/bert");
  auto modules = parse_json_file(model.path() / "modules.json");
  modules.push_back(
      {{"idx", 2}, {"name", "2"}, {"path", "2_Normalize"}, {"type", "sentence_transformers.models.Normalize"}});
  model.write("modules.json", modules.dump());
  expect_words(model.load_error(), {"unsupported", "modules.json", "Normalize", "SpladePooling"});
}

TEST(SparseFiles, WithoutTheHeadSayWhichTensorIsMissing) {
  const ModelCopy model("sparse/bert");
  fs::copy_file(test::model_path("bert") + "/model.safetensors", model.path() / "model.safetensors",
                fs::copy_options::overwrite_existing);
  fs::copy_file(test::model_path("bert") + "/config.json", model.path() / "config.json",
                fs::copy_options::overwrite_existing);
  expect_words(model.load_error(), {"invalid_file", "cls.predictions.transform.dense.weight", "masked language"});
}

TEST(SparseFiles, OfBgeM3AreInTheFingerprint) {
  const ModelCopy model("sparse/bge-m3");
  EXPECT_TRUE(model.load().fingerprint().files.contains("sparse_linear.safetensors"));
}

TEST(SparseFiles, OfBgeM3InPyTorchsFormatSayHowToReadThem) {
  const ModelCopy model("sparse/bge-m3");
  fs::rename(model.path() / "sparse_linear.safetensors", model.path() / "sparse_linear.pt");
  expect_words(model.warning(), {"sparse_linear.pt", "treble convert"});
  EXPECT_EQ(model.load().info().outputs, std::vector{OutputKind::dense});
}

TEST(SparseFiles, OfBgeM3WithAnotherWidthNameBothShapes) {
  const ModelCopy model("sparse/bge-m3");
  const std::vector<float> weight(16, 1.0F);
  const std::vector<float> bias(1);
  const std::array tensors = {TensorToWrite{"weight", DType::kF32, {1, 16}, std::as_bytes(std::span(weight))},
                              TensorToWrite{"bias", DType::kF32, {1}, std::as_bytes(std::span(bias))}};
  write_safetensors(model.path() / "sparse_linear.safetensors", tensors);
  expect_words(model.load_error(), {"invalid_file", "weight", "16", "32"});
}

}  // namespace
}  // namespace treble::internal
