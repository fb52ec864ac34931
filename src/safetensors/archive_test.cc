// Files and folders on disk: round trips, shards, conversions.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <cstring>
#include <fstream>
#include <limits>

#include "safetensors/safetensors.h"
#include "safetensors/shard_index.h"
#include "treble/error.h"

namespace treble::internal {
namespace {

namespace fs = std::filesystem;

template <typename T>
std::span<const std::byte> bytes_of(const std::vector<T>& values) {
  return std::as_bytes(std::span(values));
}

class Safetensors : public testing::Test {
 protected:
  Safetensors() {
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    folder_ = fs::temp_directory_path() / ("treble-" + std::to_string(::getpid()) + "-" + test->name());
    fs::create_directories(folder_);
  }
  ~Safetensors() override { fs::remove_all(folder_); }

  void write_text(const std::string& name, const std::string& text) const { std::ofstream(folder_ / name) << text; }

  /// A file with one U8 tensor of one byte for every name.
  void write_tensors(const std::string& file, const std::vector<std::string>& names) const {
    const std::vector<std::uint8_t> data = {7};
    std::vector<TensorToWrite> tensors;
    tensors.reserve(names.size());
    for (const auto& name : names) tensors.push_back({name, DType::kU8, {1}, bytes_of(data)});
    write_safetensors(folder_ / file, tensors);
  }

  void expect_folder_error(ErrorCode code, const std::vector<std::string>& parts) const {
    try {
      TensorArchive::open_folder(folder_);
      FAIL() << "no error; expected " << parts.front();
    } catch (const Error& error) {
      const std::string message = error.what();
      EXPECT_EQ(error.code(), code) << message;
      for (const auto& part : parts) EXPECT_NE(message.find(part), std::string::npos) << message << "\nlacks: " << part;
    }
  }

  fs::path folder_;
};

void expect_throw(ErrorCode code, const std::string& part, const auto& call) {
  try {
    call();
    FAIL() << "no error; expected " << part;
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
  }
}

TEST_F(Safetensors, RoundTripsEveryDType) {
  const std::vector<DType> dtypes = {DType::kBool, DType::kU8,   DType::kI8,  DType::kI16, DType::kU16,
                                     DType::kF16,  DType::kBF16, DType::kI32, DType::kU32, DType::kF32,
                                     DType::kF64,  DType::kI64,  DType::kU64};
  std::vector<std::uint8_t> data(std::size_t{3} * 8);
  for (std::size_t i = 0; i < data.size(); ++i) data[i] = static_cast<std::uint8_t>(i * 37);
  std::vector<TensorToWrite> tensors;
  tensors.reserve(dtypes.size() + 2);
  for (const DType dtype : dtypes) {
    tensors.push_back({std::string("z.") + std::string(dtype_name(dtype)),
                       dtype,
                       {3, 1},
                       bytes_of(data).first(3 * dtype_size(dtype))});
  }
  tensors.push_back({"größe \"\\\n", DType::kF32, {}, bytes_of(data).first(4)});
  tensors.push_back({"empty", DType::kF32, {0, 4}, {}});
  write_safetensors(folder_ / "x.safetensors", tensors, {{"format", "pt"}, {"note", "ü"}});

  const auto archive = TensorArchive::open_file(folder_ / "x.safetensors");
  ASSERT_EQ(archive.tensors().size(), tensors.size());
  for (const auto& tensor : tensors) {
    const StoredTensor* stored = archive.find(tensor.name);
    ASSERT_NE(stored, nullptr) << tensor.name;
    EXPECT_EQ(stored->dtype, tensor.dtype);
    EXPECT_EQ(stored->shape, tensor.shape);
    EXPECT_TRUE(std::equal(stored->bytes.begin(), stored->bytes.end(), tensor.bytes.begin(), tensor.bytes.end()));
  }
  EXPECT_EQ(archive.metadata().at("note"), "ü");
  EXPECT_EQ(archive.find("nothing"), nullptr);
  EXPECT_EQ(archive.files(), std::vector<fs::path>{folder_ / "x.safetensors"});
}

TEST_F(Safetensors, WriterPadsTheHeaderReplacesTheFileAndLeavesNoOther) {
  write_text("x.safetensors", "old");
  write_tensors("x.safetensors", {"a"});
  std::ifstream file(folder_ / "x.safetensors", std::ios::binary);
  std::uint64_t length = 0;
  file.read(reinterpret_cast<char*>(&length), sizeof(length));
  EXPECT_EQ(length % 8, 0U);
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()), 1);
}

TEST_F(Safetensors, WriterRefusesWhatDoesNotFit) {
  const std::vector<float> data(6);
  const auto write = [&](std::vector<TensorToWrite> tensors) { write_safetensors(folder_ / "x", tensors); };
  const auto bytes = bytes_of(data);
  expect_throw(ErrorCode::invalid_argument, "24 bytes given, the shape [2, 2] of F32 needs 16",
               [&] { write({{"a", DType::kF32, {2, 2}, bytes}}); });
  expect_throw(ErrorCode::invalid_argument, "impossible", [&] { write({{"a", DType::kF32, {-6}, bytes}}); });
  expect_throw(ErrorCode::invalid_argument, "impossible", [&] { write({{"a", DType::kF32, {INT64_MAX, 4}, bytes}}); });
  expect_throw(ErrorCode::invalid_argument, "\"a\"",
               [&] { write({{"a", DType::kF32, {6}, bytes}, {"a", DType::kF32, {6}, bytes}}); });
  expect_throw(ErrorCode::invalid_argument, "reserved", [&] { write({{"__metadata__", DType::kF32, {6}, bytes}}); });
  expect_throw(ErrorCode::invalid_argument, "UTF-8", [&] { write({{"\xFF", DType::kF32, {6}, bytes}}); });
  EXPECT_TRUE(fs::is_empty(folder_));
}

TEST_F(Safetensors, WriterNamesTheFileItCannotWrite) {
  expect_throw(ErrorCode::not_found, "no/such/x.safetensors",
               [&] { write_safetensors(folder_ / "no/such/x.safetensors", {}); });
  fs::create_directory(folder_ / "d");
  expect_throw(ErrorCode::invalid_argument, "is a folder", [&] { write_safetensors(folder_ / "d", {}); });
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()), 1);
}

TEST_F(Safetensors, ReadsShards) {
  write_tensors("m-1.safetensors", {"a", "b"});
  write_tensors("m-2.safetensors", {"c", "only.in.the.shard"});
  write_text(
      "model.safetensors.index.json",
      R"({"metadata":{"total_size":3},"weight_map":{"c":"m-2.safetensors","a":"m-1.safetensors","b":"m-1.safetensors"}})");
  const auto archive = TensorArchive::open_folder(folder_);
  EXPECT_EQ(archive.files(), (std::vector<fs::path>{folder_ / "m-1.safetensors", folder_ / "m-2.safetensors"}));
  EXPECT_NE(archive.find("a"), nullptr);
  EXPECT_EQ(archive.find("c")->file, (folder_ / "m-2.safetensors").string());
  EXPECT_NE(archive.find("only.in.the.shard"), nullptr);
}

TEST_F(Safetensors, PrefersTheSingleFile) {
  write_tensors("model.safetensors", {"a"});
  write_text("model.safetensors.index.json", "nonsense");
  EXPECT_NE(TensorArchive::open_folder(folder_).find("a"), nullptr);
}

TEST_F(Safetensors, NamesWhatAFolderLacks) {
  expect_folder_error(ErrorCode::not_found, {folder_.string(), "neither"});
  write_text("pytorch_model.bin", "");
  expect_folder_error(ErrorCode::not_found, {"pytorch_model.bin", "`treble convert "});
}

TEST_F(Safetensors, RefusesAnIndexThatLies) {
  const auto index = [&](const std::string& map) {
    write_text("model.safetensors.index.json", R"({"weight_map":)" + map + "}");
  };
  write_tensors("m-1.safetensors", {"a"});
  index(R"({"a":"m-1.safetensors","b":"m-9.safetensors"})");
  expect_folder_error(ErrorCode::not_found, {"model.safetensors.index.json", "m-9.safetensors is missing"});
  index(R"({"a":"m-1.safetensors","b":"m-1.safetensors"})");
  expect_folder_error(ErrorCode::invalid_file,
                      {"model.safetensors.index.json", "\"b\"", "m-1.safetensors", "in no shard"});
  write_tensors("m-2.safetensors", {"b"});
  index(R"({"a":"m-2.safetensors","b":"m-1.safetensors"})");
  expect_folder_error(ErrorCode::invalid_file,
                      {"\"a\" should be in", "m-2.safetensors", "but is in", "m-1.safetensors"});
  write_tensors("m-2.safetensors", {"a", "b"});
  index(R"({"a":"m-1.safetensors","b":"m-2.safetensors"})");
  expect_folder_error(ErrorCode::invalid_file, {"\"a\" is also in", "m-1.safetensors", "m-2.safetensors"});
}

TEST_F(Safetensors, ReadsShardsThatAreLinks) {
  fs::create_directory(folder_ / "blobs");
  fs::create_directory(folder_ / "snapshot");
  write_tensors("blobs/f00", {"a"});
  fs::create_symlink("../blobs/f00", folder_ / "snapshot/m.safetensors");
  write_text("snapshot/model.safetensors.index.json", R"({"weight_map":{"a":"m.safetensors"}})");
  EXPECT_NE(TensorArchive::open_folder(folder_ / "snapshot").find("a"), nullptr);
}

TEST(ShardIndex, RefusesPathsThatLeaveTheFolder) {
  for (const char* path : {"../x", "/etc/x", "a/../../x", "..", "", "a/", "a\\u0000b"}) {
    const std::string text = std::string(R"({"weight_map":{"t":")") + path + R"("}})";
    expect_throw(ErrorCode::invalid_file, "tensor \"t\": the shard", [&] { parse_shard_index(text, "i"); });
  }
  EXPECT_EQ(parse_shard_index(R"({"weight_map":{"t":"sub/x..y"}})", "i").at("t"), "sub/x..y");
}

TEST(ShardIndex, RefusesOtherShapes) {
  for (const char* text : {"{}", R"({"weight_map":[]})", R"({"weight_map":{}})", R"({"weight_map":null})"}) {
    expect_throw(ErrorCode::invalid_file, "weight_map", [&] { parse_shard_index(text, "i"); });
  }
  expect_throw(ErrorCode::invalid_file, "JSON object", [&] { parse_shard_index("[]", "i"); });
  expect_throw(ErrorCode::invalid_file, "must be a string",
               [&] { parse_shard_index(R"({"weight_map":{"t":1}})", "i"); });
  expect_throw(ErrorCode::invalid_file, "\"t\" appears twice",
               [&] { parse_shard_index(R"({"weight_map":{"t":"a","t":"b"}})", "i"); });
  expect_throw(ErrorCode::invalid_file, "\"weight_map\" appears twice",
               [&] { parse_shard_index(R"({"weight_map":{"t":"a"},"x":1,"weight_map":{"t":"b"}})", "i"); });
}

/// A tensor of these bytes that begins at an odd address.
struct Misaligned {
  Misaligned(DType dtype, std::span<const std::byte> bytes, std::int64_t count) : storage(bytes.size() + 1) {
    std::memcpy(&storage[1], bytes.data(), bytes.size());
    tensor = {dtype, {count}, std::span(storage).subspan(1), "f"};
  }
  std::vector<std::byte> storage;
  StoredTensor tensor;
};

TEST(CopyAsFloat, WidensEveryHalfAndBfloat16Exactly) {
  std::vector<std::uint16_t> half;
  std::vector<std::uint16_t> brain;
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
    if ((bits & 0x7C00U) != 0x7C00U) half.push_back(static_cast<std::uint16_t>(bits));
    if ((bits & 0x7F80U) != 0x7F80U) brain.push_back(static_cast<std::uint16_t>(bits));
  }
  const auto check = [](DType dtype, const std::vector<std::uint16_t>& source, float (*naive)(std::uint16_t) noexcept) {
    const Misaligned stored(dtype, bytes_of(source), static_cast<std::int64_t>(source.size()));
    std::vector<float> out(source.size());
    copy_as_float(stored.tensor, "t", out);
    for (std::size_t i = 0; i < out.size(); ++i) {
      const float expected = naive(source[i]);
      ASSERT_EQ(out[i], expected) << source[i];
      ASSERT_EQ(std::signbit(out[i]), std::signbit(expected)) << source[i];
    }
  };
  check(DType::kF16, half, half_to_float);
  check(DType::kBF16, brain, bfloat16_to_float);
}

TEST(CopyAsFloat, CopiesFloatsBitForBitAndRoundsDoubles) {
  std::vector<float> source;
  std::vector<double> wide;
  for (int i = 0; i < 5001; ++i) {
    source.push_back(std::ldexp(1.0F + static_cast<float>(i) / 8192, i % 250 - 140));
    wide.push_back(1.0 / (i + 1));
  }
  std::vector<float> out(source.size());
  copy_as_float(Misaligned(DType::kF32, bytes_of(source), 5001).tensor, "t", out);
  EXPECT_EQ(out, source);
  copy_as_float(Misaligned(DType::kF64, bytes_of(wide), 5001).tensor, "t", out);
  for (std::size_t i = 0; i < out.size(); ++i) ASSERT_EQ(out[i], static_cast<float>(wide[i]));
}

TEST(CopyAsFloat, NamesANonFiniteElement) {
  for (const float bad : {std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity(),
                          std::numeric_limits<float>::quiet_NaN()}) {
    std::vector<float> source(5000, 1.0F);
    source[4321] = bad;
    std::vector<float> out(source.size());
    expect_throw(ErrorCode::invalid_file, "f: tensor \"t\": element 4321 of 5000",
                 [&] { copy_as_float(Misaligned(DType::kF32, bytes_of(source), 5000).tensor, "t", out); });
  }
  for (const std::uint16_t bits : {0x7C00, 0xFC00, 0x7E00, 0x7C01}) {
    std::vector<float> out(2);
    const std::vector<std::uint16_t> half = {0, bits};
    expect_throw(ErrorCode::invalid_file, "element 1 of 2",
                 [&] { copy_as_float(Misaligned(DType::kF16, bytes_of(half), 2).tensor, "t", out); });
  }
  std::vector<float> out(1);
  const std::vector<double> large = {1e300};
  expect_throw(ErrorCode::invalid_file, "inf",
               [&] { copy_as_float(Misaligned(DType::kF64, bytes_of(large), 1).tensor, "t", out); });
}

TEST(CopyAsFloat, RefusesOtherTypesAndSizes) {
  const std::vector<std::int64_t> source = {1};
  std::vector<float> out(2);
  expect_throw(ErrorCode::unsupported, "I64",
               [&] { copy_as_float(Misaligned(DType::kI64, bytes_of(source), 1).tensor, "t", out); });
  expect_throw(ErrorCode::internal, "room was made for 2",
               [&] { copy_as_float(Misaligned(DType::kF64, bytes_of(source), 1).tensor, "t", out); });
}

TEST(Golden, ReadsWhatTransformersWrote) {
  const fs::path golden = fs::path(TREBLE_SOURCE_DIR) / "tests/golden";
  if (!fs::exists(golden / "bert")) GTEST_SKIP() << "no golden data";
  EXPECT_EQ(TensorArchive::open_folder(golden / "bert-sharded/model").files().size(), 3U);
  for (const auto& [variant, dtype] : {std::pair("bert", DType::kF32),
                                       {"bert-sharded", DType::kF32},
                                       {"bert-f16", DType::kF16},
                                       {"bert-bf16", DType::kBF16}}) {
    const auto archive = TensorArchive::open_folder(golden / variant / "model");
    EXPECT_FALSE(archive.tensors().empty());
    for (const auto& [name, tensor] : archive.tensors()) {
      EXPECT_EQ(tensor.dtype, dtype) << variant << " " << name;
      std::vector<float> values(static_cast<std::size_t>(tensor.num_elements()));
      copy_as_float(tensor, name, values);
    }
  }
}

}  // namespace
}  // namespace treble::internal
