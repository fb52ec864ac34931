// Inference-free queries (Router with SparseStaticEmbedding) against sentence-transformers' SparseEncoder;
// tests/golden/sparse-routers is written by tools/make_golden.py.
#include "engine/query_table.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "engine/golden_support.h"
#include "engine/model_copy.h"
#include "kernels/test_support.h"
#include "treble/outputs.h"
#include "treble/provenance.h"
#include "treble/sparse.h"

namespace treble::internal {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using test::error_of;
using test::expect_words;
using test::ModelCopy;

constexpr const char* kRouterGolden = "sparse-routers/table";
constexpr const char* kTable = "query_0_SparseStaticEmbedding";

struct RouterGolden {
  json cases = parse_json_file(test::source_path("tests/golden/sparse-routers/table/cases.json"));
  std::vector<std::string> owned = cases.at("texts").get<std::vector<std::string>>();
  std::vector<std::string_view> texts = test::views(owned);
  TensorArchive expected =
      TensorArchive::open_file(test::source_path("tests/golden/sparse-routers/table/expected.safetensors"));

  double difference(const SparseVectors& sparse, const std::string& name) const {
    std::vector<float> dense(static_cast<std::size_t>(sparse.count * sparse.dim));
    for (std::int64_t text = 0; text < sparse.count; ++text) {
      const SparseRow row = sparse.row(text);
      for (std::size_t i = 0; i < row.indices.size(); ++i) {
        dense[static_cast<std::size_t>(text * sparse.dim + row.indices[i])] = row.values[i];
      }
    }
    return test::max_abs_difference({dense.data(), sparse.count, sparse.dim}, test::read_golden(expected, name).view());
  }
};

OutputOptions of_role(TextRole role) {
  OutputOptions options;
  options.role = role;
  return options;
}

SentenceEncoder load_router() {
  return SentenceEncoder::load({.model = test::model_path(kRouterGolden), .threads = 2});
}

TEST(QueryTable, GivesWhatSentenceTransformersGives) {
  const RouterGolden golden;
  const SentenceEncoder encoder = load_router();
  EXPECT_EQ(encoder.info().outputs, std::vector{OutputKind::sparse});
  const SparseVectors queries = encode_sparse(encoder, golden.texts, of_role(TextRole::query));
  EXPECT_LE(golden.difference(queries, "query"), 1e-6);
  EXPECT_LE(golden.difference(encode_sparse(encoder, golden.texts, of_role(TextRole::document)), "document"), 1e-5);
  EXPECT_LE(golden.difference(encode_sparse(encoder, golden.texts), "default"), 1e-5);
  OutputOptions top = of_role(TextRole::query);
  top.max_active_dims = 3;
  EXPECT_LE(golden.difference(encode_sparse(encoder, golden.texts, top), "query/top=3"), 1e-6);
  for (std::size_t i = 0; i < golden.texts.size(); ++i) {
    const auto tokens = golden.cases.at("tokens").at(i).get<std::int64_t>();
    EXPECT_EQ(queries.token_counts[i].tokens, tokens);
    EXPECT_EQ(queries.token_counts[i].used, std::min<std::int64_t>(tokens, 40));
  }
}

TEST(QueryTable, ComparesWithDocuments) {
  const SentenceEncoder encoder = load_router();
  const std::vector<std::string_view> texts = {"the ferry leaves", "a letter"};
  const auto products = dot_products(encode_sparse(encoder, texts, of_role(TextRole::query)),
                                     encode_sparse(encoder, texts, of_role(TextRole::document)));
  EXPECT_EQ(products.size(), 4U);
}

TEST(QueryTable, ReadsTheWeightsOfIdfJson) {
  const RouterGolden golden;
  const ModelCopy model(kRouterGolden);
  model.erase(std::string(kTable) + "/model.safetensors");
  model.set(std::string(kTable) + "/config.json", "path", "idf.json");
  expect_words(model.load_error(), {"not_found", "idf.json"});
  fs::copy_file(test::source_path("tests/golden/sparse-routers/table/idf.json"), model.path() / "idf.json");
  const SparseVectors queries = encode_sparse(model.load(), golden.texts, of_role(TextRole::query));
  EXPECT_LE(golden.difference(queries, "query"), 1e-6);
  model.set("idf.json", "no such token", 1.5);
  expect_words(model.load_error(), {"invalid_file", "idf.json", "no such token"});
}

TEST(QueryTable, HasNoAttentionToTemper) {
  const SentenceEncoder encoder = load_router();
  const std::vector<std::string_view> texts = {"a"};
  OutputOptions options = of_role(TextRole::query);
  options.encode.temperature = Temperature::constant(0.7);
  expect_words(error_of([&] { encode_sparse(encoder, texts, options); }),
               {"unsupported", "temperature 0.7", "queries"});
  options.role = TextRole::document;
  EXPECT_EQ(encode_sparse(encoder, texts, options).count, 1);
  const json provenance = json::parse(provenance_json(encoder, OutputKind::sparse, {}));
  EXPECT_EQ(provenance.at("role"), "document");
  EXPECT_TRUE(provenance.at("model").at("files").contains(std::string(kTable) + "/model.safetensors"));
  EXPECT_TRUE(provenance.at("model").at("files").contains("router_config.json"));
}

TEST(QueryTable, TheDefaultRouteIsTheModels) {
  const RouterGolden golden;
  const ModelCopy model(kRouterGolden);
  auto router = parse_json_file(model.path() / "router_config.json");
  router["parameters"]["default_route"] = "query";
  model.write("router_config.json", router.dump());
  const SentenceEncoder encoder = model.load();
  OutputOptions options;
  options.encode.prompt = "ask: ";
  EXPECT_LE(golden.difference(encode_sparse(encoder, golden.texts, options), "query"), 1e-6);
  router["parameters"]["default_route"] = nullptr;
  router["parameters"]["allow_empty_key"] = false;
  model.write("router_config.json", router.dump());
  expect_words(error_of([&] { encode_sparse(model.load(), golden.texts, options); }), {"invalid_argument", "--role"});
  router["parameters"]["allow_empty_key"] = true;
  // Without a word the first of the file, as in sentence-transformers: here the query's.
  router.erase("structure");
  model.write("router_config.json", R"({"structure": {"query": [")" + std::string(kTable) +
                                        R"("], "document": ["document_0_Transformer", "document_1_SpladePooling"]}, )" +
                                        router.dump().substr(1));
  EXPECT_LE(golden.difference(encode_sparse(model.load(), golden.texts, options), "query"), 1e-6);
}

TEST(QueryTable, LongQueriesAreCutOrRefused) {
  const SentenceEncoder encoder = load_router();
  const std::vector<std::string_view> texts = {"a", "a b c d e"};
  OutputOptions options = of_role(TextRole::query);
  options.encode.prompt = "";
  options.encode.max_length = 3;
  EXPECT_EQ(encode_sparse(encoder, texts, options).token_counts[1].used, 3);
  options.encode.truncation = Truncation::error;
  expect_words(error_of([&] { encode_sparse(encoder, texts, options); }), {"text_too_long", "text 1"});
}

TEST(RouterFiles, OfOtherRoutesAreRefusedByName) {
  const auto error_with = [](const std::function<void(json&)>& change) {
    const ModelCopy model(kRouterGolden);
    auto router = parse_json_file(model.path() / "router_config.json");
    change(router);
    model.write("router_config.json", router.dump());
    return model.load_error();
  };
  expect_words(error_with([](json& router) { router["structure"]["query"] = router["structure"]["document"]; }),
               {"unsupported", "router_config.json", "query: Transformer, SpladePooling", "SparseStaticEmbedding"});
  expect_words(error_with([](json& router) { router["structure"].erase("query"); }), {"unsupported", "document:"});
  expect_words(error_with([](json& router) { router["structure"]["query"] = {"nothing"}; }),
               {"invalid_file", "nothing", "types"});
  expect_words(error_with([](json& router) { router["parameters"]["default_route"] = "image"; }),
               {"invalid_file", "default_route", "image"});
  expect_words(
      error_with([](json& router) { router["parameters"]["route_mappings"] = {{"('query', None)", "query"}}; }),
      {"unsupported", "route_mappings"});
  expect_words(error_with([](json& router) {
                 router["types"]["../x"] = router["types"][kTable];
                 router["structure"]["query"] = {"../x"};
               }),
               {"invalid_file", "../x", "leaves"});
  expect_words(error_with([](json& router) { router["structure"] = json::array(); }), {"invalid_file", "structure"});
}

TEST(RouterFiles, ATableOfAnotherModelNamesBothSizes) {
  const ModelCopy model(kRouterGolden);
  const std::vector<float> weight(1000, 1.0F);
  const std::array tensors = {TensorToWrite{"weight", DType::kF32, {1000}, std::as_bytes(std::span(weight))}};
  write_safetensors(model.path() / kTable / "model.safetensors", tensors);
  expect_words(model.load_error(), {"invalid_file", "1000", "265"});
}

}  // namespace
}  // namespace treble::internal
