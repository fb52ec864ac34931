#include "treble/bake.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <csignal>
#include <set>

#include "base/json_file.h"
#include "base/sha256.h"
#include "base/test_folder.h"
#include "safetensors/safetensors.h"
#include "treble/error.h"
#include "treble/version.h"

namespace treble::internal {
namespace {

namespace fs = std::filesystem;
using test::golden_folder;
using test::snapshot;
using test::TestFolder;

const Temperature kTau = Temperature::constant(0.8);

/// The error of a bake; one with no message when there was none.
Error failure(const fs::path& model, const fs::path& output, const BakeOptions& options = {},
              const Temperature& temperature = kTau) {
  try {
    bake(model.string(), output.string(), temperature, options);
  } catch (const Error& error) {
    return error;
  }
  return {ErrorCode::internal, ""};
}

/// A copy of a golden model that a test may add to.
fs::path copy_model(const std::string& name, const TestFolder& folder) {
  fs::copy(golden_folder(name), folder / "model", fs::copy_options::recursive);
  return folder / "model";
}

TEST(Bake, ChangesTheQueriesAndNothingElse) {
  const TestFolder folder;
  const auto report = bake(golden_folder("bert").string(), (folder / "out").string(), kTau);
  const auto before = TensorArchive::open_folder(golden_folder("bert"));
  const auto after = TensorArchive::open_folder(folder / "out");
  ASSERT_EQ(before.tensors().size(), after.tensors().size());
  std::set<std::string> changed;
  for (const auto& [name, tensor] : before.tensors()) {
    const StoredTensor* baked = after.find(name);
    ASSERT_NE(baked, nullptr) << name;
    EXPECT_EQ(baked->dtype, tensor.dtype);
    EXPECT_EQ(baked->shape, tensor.shape);
    if (!std::ranges::equal(baked->bytes, tensor.bytes)) changed.insert(name);
  }
  EXPECT_EQ(changed, std::set<std::string>(report.changed.begin(), report.changed.end()));
  EXPECT_EQ(changed.size(), 4U);
  EXPECT_FALSE(report.exact);
  EXPECT_GT(report.max_rounding_error, 0);
  EXPECT_LE(report.max_rounding_error, 6e-8);
  EXPECT_EQ(after.metadata().at("format"), "pt");
  EXPECT_EQ(after.metadata().at("baked_temperature"), "0.8");
}

TEST(Bake, CarriesAllOtherFilesOverByteForByte) {
  const TestFolder folder;
  const fs::path model = copy_model("bert", folder);
  test::write_all(model / "README.md", "# A model\n");
  test::write_all(model / "a/b/c.bin", std::string("\0\xFF\n", 3));
  test::write_all(model / ".hidden", "x");
  test::write_all(model / "2_Dense/pytorch_model.bin", "weights of a module");
  fs::create_directory(model / "empty");
  test::write_all(folder / "blob", "linked");
  fs::create_symlink(folder / "blob", model / "vocab.txt");
  bake(model.string(), (folder / "out").string(), kTau);
  auto before = snapshot(model);
  auto after = snapshot(folder / "out");
  EXPECT_TRUE(fs::is_directory(folder / "out/empty"));
  EXPECT_FALSE(fs::is_symlink(folder / "out/vocab.txt"));
  EXPECT_EQ(after.erase("treble.json"), 1U);
  EXPECT_NE(before.at("model.safetensors"), after.at("model.safetensors"));
  before.erase("model.safetensors");
  after.erase("model.safetensors");
  EXPECT_EQ(before, after);
}

TEST(Bake, LeavesOutTheUntemperedWeightsInOtherFormats) {
  const TestFolder folder;
  const fs::path model = copy_model("bert", folder);
  const std::vector<std::string> stale = {".git",
                                          "model.safetensors.index.json",
                                          "onnx/model.onnx",
                                          "onnx/model.onnx_data",
                                          "openvino/openvino_model.bin",
                                          "pytorch_model.bin",
                                          "tf_model.h5"};
  for (const auto& name : stale) test::write_all(model / (name == ".git" ? ".git/config" : name), "stale");
  const auto report = bake(model.string(), (folder / "out").string(), kTau);
  EXPECT_EQ(report.left_out, stale);
  for (const auto& name : stale) EXPECT_FALSE(fs::exists(folder / "out" / name)) << name;
  EXPECT_EQ(JsonObject::from_file(folder / "out/treble.json").value()["baked"]["left_out"].size(), stale.size());
}

TEST(Bake, SaysWhatWasDone) {
  const TestFolder folder;
  bake(golden_folder("mpnet").string(), (folder / "out").string(), kTau, {.temper_position_bias = false});
  const auto baked = read_baked((folder / "out").string());
  ASSERT_TRUE(baked.has_value());
  const std::vector<fs::path> source = {golden_folder("mpnet") / "model.safetensors"};
  const std::vector<fs::path> written = {folder / "out/model.safetensors"};
  EXPECT_EQ(baked->temperature, "0.8");
  EXPECT_FALSE(baked->temper_position_bias);
  EXPECT_EQ(baked->source_name, "model");
  EXPECT_EQ(baked->source_weights_sha256, sha256_of_files(source));
  EXPECT_EQ(baked->treble_version, version());
  EXPECT_FALSE(baked->exact);
  EXPECT_TRUE(baked->earlier.empty());
  EXPECT_EQ(to_string(*baked), "0.8, position bias untouched");
  const auto json = JsonObject::from_file(folder / "out/treble.json").value()["baked"];
  EXPECT_EQ(json["logit_scale"], 1.25);
  EXPECT_EQ(json["weights_sha256"], sha256_of_files(written));
  EXPECT_EQ(json["tensors_changed"].size(), 4U);
  EXPECT_FALSE(read_baked(golden_folder("mpnet").string()).has_value());
}

TEST(Bake, RemembersEarlierBakes) {
  const TestFolder folder;
  test::write_all(copy_model("bert", folder) / "treble.json", R"({"mine": [1, 2]})");
  bake((folder / "model").string(), (folder / "one").string(), kTau);
  bake((folder / "one").string(), (folder / "two").string(), Temperature::constant(0.5));
  bake((folder / "two").string(), (folder / "three").string(), Temperature::constant(2));
  const auto baked = read_baked((folder / "three").string());
  ASSERT_TRUE(baked.has_value());
  EXPECT_EQ(to_string(*baked), "0.8, then 0.5, then 2");
  EXPECT_EQ(baked->earlier.at(0).source_name, "model");
  EXPECT_TRUE(baked->exact);
  EXPECT_FALSE(baked->earlier.at(0).exact);
  EXPECT_EQ(JsonObject::from_file(folder / "three/treble.json").value()["mine"].size(), 2U);
  // 0.5 and 2 undo each other exactly.
  EXPECT_EQ(test::read_all(folder / "one/config.json"), test::read_all(folder / "three/config.json"));
  const auto one = TensorArchive::open_folder(folder / "one");
  const auto three = TensorArchive::open_folder(folder / "three");
  for (const auto& [name, tensor] : one.tensors())
    EXPECT_TRUE(std::ranges::equal(tensor.bytes, three.find(name)->bytes));
}

TEST(Bake, DamagedProvenanceIsNamed) {
  const TestFolder folder;
  for (const char* text : {"{", "[]", R"({"baked": 3})", R"({"baked": {"temperature": 0.8}})", R"({"baked": {}})"}) {
    test::write_all(folder / "treble.json", text);
    try {
      read_baked(folder.path().string());
      ADD_FAILURE() << text;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::invalid_file);
      EXPECT_NE(std::string(error.what()).find("treble.json"), std::string::npos);
    }
  }
}

TEST(Bake, KeepsTheTypeOrWidens) {
  for (const auto& [model, dtype] : {std::pair("bert-bf16", DType::kBF16), std::pair("bert-f16", DType::kF16)}) {
    const TestFolder folder;
    const auto kept = bake(golden_folder(model).string(), (folder / "keep").string(), kTau);
    const auto halved = bake(golden_folder(model).string(), (folder / "exact").string(), Temperature::constant(0.5));
    const auto wide =
        bake(golden_folder(model).string(), (folder / "wide").string(), kTau, {.dtype = BakedDType::float32});
    const auto keep_archive = TensorArchive::open_folder(folder / "keep");
    const auto wide_archive = TensorArchive::open_folder(folder / "wide");
    for (const auto& [name, tensor] : keep_archive.tensors()) {
      EXPECT_EQ(tensor.dtype, dtype);
      EXPECT_EQ(wide_archive.find(name)->dtype, DType::kF32);
    }
    EXPECT_FALSE(kept.exact);
    EXPECT_GT(kept.max_rounding_error, 1e-5);
    EXPECT_LE(kept.max_rounding_error, dtype == DType::kBF16 ? 0x1p-8 : 0x1p-11);
    EXPECT_TRUE(halved.exact);
    EXPECT_EQ(halved.max_rounding_error, 0);
    EXPECT_TRUE(wide.exact);  // 1.25 needs three bits more, and float32 has them
    const auto config = JsonObject::from_file(folder / "wide/config.json");
    EXPECT_EQ(config.string("dtype").value_or(config.string("torch_dtype").value_or("float32")), "float32");
    EXPECT_EQ(test::read_all(folder / "keep/config.json"), test::read_all(golden_folder(model) / "config.json"));
  }
}

TEST(Bake, ShardsStayShards) {
  const TestFolder folder;
  bake(golden_folder("bert-sharded").string(), (folder / "out").string(), kTau);
  auto before = snapshot(golden_folder("bert-sharded"));
  auto after = snapshot(folder / "out");
  EXPECT_EQ(before.size() + 1, after.size());
  EXPECT_EQ(before.at("model.safetensors.index.json"), after.at("model.safetensors.index.json"));
  EXPECT_NO_THROW(TensorArchive::open_folder(folder / "out"));
}

TEST(Bake, WidenedShardsHaveATrueIndex) {
  const TestFolder folder;
  const fs::path model = copy_model("bert-bf16", folder);
  const auto archive = TensorArchive::open_file(model / "model.safetensors");
  nlohmann::json index = {{"metadata", {{"total_size", 0}}}};
  std::vector<TensorToWrite> parts[2];
  std::int64_t elements = 0;
  for (const auto& [name, tensor] : archive.tensors()) {
    auto& part = parts[elements % 2];
    part.push_back({name, tensor.dtype, tensor.shape, tensor.bytes});
    index["weight_map"][name] = elements % 2 == 0 ? "a.safetensors" : "b.safetensors";
    elements += tensor.num_elements();
  }
  write_safetensors(model / "a.safetensors", parts[0], {{"format", "pt"}});
  write_safetensors(model / "b.safetensors", parts[1], {{"format", "pt"}});
  test::write_all(model / "model.safetensors.index.json", index.dump());
  fs::remove(model / "model.safetensors");
  bake(model.string(), (folder / "out").string(), kTau, {.dtype = BakedDType::float32});
  const auto json = JsonObject::from_file(folder / "out/model.safetensors.index.json").value();
  EXPECT_EQ(json["metadata"]["total_size"], 4 * elements);
  EXPECT_EQ(TensorArchive::open_folder(folder / "out").tensors().size(), archive.tensors().size());
}

TEST(Bake, AModelWhoseTransformerIsInAFolderOfItsOwn) {
  const TestFolder folder;
  const fs::path model = copy_model("bert", folder);
  fs::create_directory(model / "0_Transformer");
  for (const char* name : {"config.json", "model.safetensors", "tokenizer.json"}) {
    fs::rename(model / name, model / "0_Transformer" / name);
  }
  test::write_all(model / "modules.json",
                  R"([{"idx": 0, "name": "0", "path": "0_Transformer/", "type": "Transformer"}])");
  test::write_all(model / "0_Transformer/pytorch_model.bin", "stale");
  const auto report = bake(model.string(), (folder / "out").string(), kTau);
  EXPECT_EQ(report.left_out, std::vector<std::string>{"0_Transformer/pytorch_model.bin"});
  EXPECT_TRUE(fs::exists(folder / "out/treble.json"));
  EXPECT_NO_THROW(TensorArchive::open_folder(folder / "out/0_Transformer"));
  EXPECT_FALSE(fs::exists(folder / "out/model.safetensors"));
}

TEST(Bake, RefusesWhatIsNothing) {
  const TestFolder folder;
  const Error error = failure(golden_folder("bert"), folder / "out", {}, Temperature());
  EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
  EXPECT_NE(std::string(error.what()).find("nothing to bake"), std::string::npos);
  EXPECT_TRUE(fs::is_empty(folder.path()));
}

TEST(Bake, RefusalsLeaveNothingBehind) {
  const TestFolder folder;
  EXPECT_EQ(failure(golden_folder("jina-bert-v2"), folder / "out").code(), ErrorCode::invalid_argument);
  EXPECT_EQ(failure(folder / "nowhere", folder / "out").code(), ErrorCode::not_found);
  EXPECT_EQ(failure(golden_folder("bert"), folder / "no/such/out").code(), ErrorCode::not_found);
  EXPECT_EQ(failure(golden_folder("bert"), "/proc/out").code(), ErrorCode::not_found);
  EXPECT_TRUE(fs::is_empty(folder.path()));
}

TEST(Bake, NeverOverwritesUnlessForced) {
  const TestFolder folder;
  bake(golden_folder("bert").string(), (folder / "out").string(), kTau);
  const auto before = snapshot(folder / "out");
  const Error error = failure(golden_folder("bert"), folder / "out", {}, Temperature::constant(0.5));
  EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
  EXPECT_NE(std::string(error.what()).find("BakeOptions::force"), std::string::npos);
  EXPECT_EQ(snapshot(folder / "out"), before);
  test::write_all(folder / "out/extra", "of the old one");
  bake(golden_folder("bert").string(), (folder / "out/").string(), Temperature::constant(0.5), {.force = true});
  EXPECT_EQ(read_baked((folder / "out").string())->temperature, "0.5");
  EXPECT_FALSE(fs::exists(folder / "out/extra"));
  EXPECT_EQ(std::distance(fs::directory_iterator(folder.path()), fs::directory_iterator()), 1);
}

TEST(Bake, ForceReplacesModelsOnly) {
  const TestFolder folder;
  test::write_all(folder / "holiday/photo.jpg", "precious");
  test::write_all(folder / "file", "precious");
  const BakeOptions force{.force = true};
  EXPECT_NE(
      std::string(failure(golden_folder("bert"), folder / "holiday", force).what()).find("not the folder of a model"),
      std::string::npos);
  EXPECT_EQ(failure(golden_folder("bert"), folder / "file", force).code(), ErrorCode::invalid_argument);
  EXPECT_EQ(test::read_all(folder / "holiday/photo.jpg"), "precious");
}

TEST(Bake, TheOutputIsNoPartOfTheModelNorTheOtherWayRound) {
  const TestFolder folder;
  const fs::path model = copy_model("bert", folder);
  const auto before = snapshot(folder.path());
  const BakeOptions force{.force = true};
  for (const fs::path& output : {model, model / "baked", folder.path(), model / "..", model / "."}) {
    EXPECT_EQ(failure(model, output, force).code(), ErrorCode::invalid_argument) << output;
  }
  fs::create_directory_symlink(model, folder / "link");
  EXPECT_EQ(failure(model, folder / "link/baked", force).code(), ErrorCode::invalid_argument);
  fs::remove(folder / "link");
  EXPECT_EQ(snapshot(folder.path()), before);
}

TEST(Bake, StopsOnRequestAndCleansUp) {
  const TestFolder folder;
  int asked = 0;
  BakeOptions options;
  std::stop_source stop;
  options.stop = stop.get_token();
  options.progress = [&](const Progress& progress) {
    EXPECT_EQ(progress.stage, "writing");
    EXPECT_EQ(progress.done, asked);
    if (++asked == 5) stop.request_stop();
  };
  EXPECT_EQ(failure(golden_folder("bert"), folder / "out", options).code(), ErrorCode::interrupted);
  EXPECT_EQ(asked, 5);
  EXPECT_TRUE(fs::is_empty(folder.path()));
}

/// Runs `action` in a child process and returns how that ended.
template <typename F>
int in_child(F action) {
  const pid_t child = ::fork();
  if (child == 0) {
    action();
    ::_exit(0);
  }
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  return status;
}

TEST(Bake, AKilledRunLeavesNothingUnderTheName) {
  const TestFolder folder;
  bake(golden_folder("bert").string(), (folder / "old").string(), Temperature::constant(0.5));
  const auto old = snapshot(folder / "old");
  for (int file = 1; file <= 8; ++file) {
    for (const char* name : {"out", "old"}) {
      const int status = in_child([&] {
        int asked = 0;
        BakeOptions options{.force = true};
        options.progress = [&](const Progress&) {
          if (++asked == file) ::raise(SIGKILL);
        };
        bake(golden_folder("bert").string(), (folder / name).string(), kTau, options);
      });
      EXPECT_TRUE(WIFSIGNALED(status)) << file;
    }
    EXPECT_FALSE(fs::exists(folder / "out"));
    EXPECT_EQ(snapshot(folder / "old"), old);
  }
}

TEST(Bake, AFullDiskIsNamedAndCleanedUp) {
  const TestFolder folder;
  const int status = in_child([&] {
    ::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{8192, 8192};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    const Error error = failure(golden_folder("bert"), folder / "out");
    const bool named = std::string(error.what()).find("File too large") != std::string::npos;
    ::_exit(error.code() == ErrorCode::io && named ? 7 : 8);
  });
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 7);
  EXPECT_TRUE(fs::is_empty(folder.path()));
}

TEST(Bake, AnUnwritablePlaceIsNamed) {
  if (::geteuid() == 0) GTEST_SKIP() << "root may write everywhere";
  const TestFolder folder;
  fs::create_directory(folder / "closed");
  fs::permissions(folder / "closed", fs::perms::owner_read | fs::perms::owner_exec);
  const Error error = failure(golden_folder("bert"), folder / "closed/out");
  EXPECT_EQ(error.code(), ErrorCode::io);
  EXPECT_NE(std::string(error.what()).find("closed/out"), std::string::npos);
}

TEST(Bake, WhatCannotBeCarriedOverIsNamed) {
  const TestFolder folder;
  const fs::path model = copy_model("bert", folder);
  fs::create_symlink("nowhere", model / "dangling");
  const Error error = failure(model, folder / "out");
  EXPECT_EQ(error.code(), ErrorCode::io);
  EXPECT_NE(std::string(error.what()).find("dangling"), std::string::npos);
  fs::remove(model / "dangling");
  fs::create_directory_symlink(model, model / "circle");
  EXPECT_EQ(failure(model, folder / "out").code(), ErrorCode::io);
  EXPECT_FALSE(fs::exists(folder / "out"));
}

}  // namespace
}  // namespace treble::internal
