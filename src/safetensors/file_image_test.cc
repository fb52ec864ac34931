// Every way a safetensors file can lie is a named error.
#include "safetensors/file_image.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "treble/error.h"

namespace treble::internal {
namespace {

std::vector<std::byte> to_bytes(const std::string& text) {
  std::vector<std::byte> bytes(text.size());
  if (!text.empty()) std::memcpy(bytes.data(), text.data(), text.size());
  return bytes;
}

std::string length_prefix(std::uint64_t length) {
  std::string prefix;
  for (int i = 0; i < 8; ++i) prefix += static_cast<char>(length >> (8 * i));
  return prefix;
}

/// A file of this header followed by `data_size` zero bytes.
std::string file_of(const std::string& header, std::size_t data_size) {
  return length_prefix(header.size()) + header + std::string(data_size, '\0');
}

/// The header of one tensor "t".
std::string one(const std::string& dtype, const std::string& shape, const std::string& offsets) {
  return std::string(R"({"t":{"dtype":)") + dtype + R"(,"shape":)" + shape + R"(,"data_offsets":)" + offsets + "}}";
}

/// Expects an error of this code whose message has every part, and the file's name.
void expect_error(const std::string& file, const std::vector<std::string>& parts,
                  ErrorCode code = ErrorCode::invalid_file) {
  try {
    read_file_image(to_bytes(file), "dir/model.safetensors");
    FAIL() << "no error; expected " << parts.front();
  } catch (const Error& error) {
    const std::string message = error.what();
    EXPECT_EQ(error.code(), code) << message;
    EXPECT_NE(message.find("dir/model.safetensors"), std::string::npos) << message;
    for (const auto& part : parts) EXPECT_NE(message.find(part), std::string::npos) << message << "\nlacks: " << part;
    EXPECT_LT(message.size(), 1500U);
  }
}

TEST(FileImage, ReadsAGoodFile) {
  const std::string header =
      R"({"__metadata__":{"format":"pt"},"b":{"dtype":"F32","shape":[2],"data_offsets":[2,10]},)"
      R"("a":{"data_offsets":[0,2],"shape":[],"dtype":"BF16"},"e":{"dtype":"I64","shape":[0,5],"data_offsets":[10,10]}}   )";
  const auto bytes = to_bytes(file_of(header, 10));
  const FileImage image = read_file_image(bytes, "f");
  ASSERT_EQ(image.tensors.size(), 3U);
  EXPECT_EQ(image.tensors.at("b").shape, (std::vector<std::int64_t>{2}));
  EXPECT_EQ(image.tensors.at("b").bytes.data(), bytes.data() + 8 + header.size() + 2);
  EXPECT_EQ(image.tensors.at("b").file, "f");
  EXPECT_EQ(image.tensors.at("a").num_elements(), 1);
  EXPECT_EQ(image.tensors.at("a").dtype, DType::kBF16);
  EXPECT_EQ(image.tensors.at("e").num_elements(), 0);
  EXPECT_EQ(image.metadata.at("format"), "pt");
}

TEST(FileImage, ReadsAFileWithoutTensors) {
  EXPECT_TRUE(read_file_image(to_bytes(file_of("{}", 0)), "f").tensors.empty());
}

TEST(FileImage, RefusesAShortFile) {
  expect_error("", {"0 bytes", "at least 8"});
  expect_error("1234567", {"7 bytes", "at least 8"});
  expect_error(length_prefix(0), {"does not begin with"});
}

TEST(FileImage, RefusesAHeaderLongerThanTheFile) {
  expect_error(length_prefix(3) + "{}", {"claims 3 bytes", "only 2"});
  expect_error(length_prefix(UINT64_MAX) + "{}", {"18446744073709551615", "100000000"});
  expect_error(length_prefix(100'000'001) + "{}", {"100000001", "100000000"});
}

TEST(FileImage, RefusesAHeaderThatIsNotAJsonObject) {
  expect_error(file_of("[]", 0), {"does not begin"});
  expect_error(file_of(" {}", 0), {"does not begin"});
  expect_error(file_of("\xEF\xBB\xBF{}", 0), {"does not begin"});
  expect_error(file_of("version https://git-lfs.github.com/spec/v1", 0), {"not a safetensors file"});
  expect_error(file_of("{", 0), {"not valid JSON"});
  expect_error(file_of("{} x", 0), {"not valid JSON"});
  expect_error(file_of("{}{}", 0), {"not valid JSON"});
  expect_error(file_of(R"({"a":})", 0), {"not valid JSON"});
  expect_error(file_of(std::string("{}\0{}", 5), 0), {"NUL"});
  expect_error(file_of(R"({"t":7})", 0), {"tensor \"t\"", "an object", "found 7"});
  expect_error(file_of(R"({"t":null})", 0), {"found null"});
  expect_error(file_of(R"({"t":"x"})", 0), {"found the string \"x\""});
}

TEST(FileImage, RefusesAHeaderThatIsNotUtf8) {
  expect_error(file_of("{\"\xFF\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1),
               {"not valid JSON", "UTF-8"});
  expect_error(file_of("{\"__metadata__\":{\"a\":\"\xC3\"}}", 0), {"not valid JSON"});
}

TEST(FileImage, RefusesRepeatedKeys) {
  const std::string tensor = R"("t":{"dtype":"U8","shape":[1],"data_offsets":[0,1]})";
  expect_error(file_of(std::string("{") + tensor + "," + tensor + "}", 1), {"\"t\" appears twice"});
  // The same name spelt with an escape.
  expect_error(file_of(std::string("{") + tensor + R"(,"\u0074":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})", 1),
               {"appears twice"});
  expect_error(file_of(R"({"t":{"dtype":"U8","dtype":"U8","shape":[1],"data_offsets":[0,1]}})", 1),
               {"\"dtype\" appears twice"});
  expect_error(file_of(R"({"t":{"dtype":"U8","shape":[1],"shape":[1],"data_offsets":[0,1]}})", 1),
               {"\"shape\" appears twice"});
  expect_error(file_of(R"({"t":{"dtype":"U8","shape":[1],"data_offsets":[0,1],"data_offsets":[0,1]}})", 1),
               {"\"data_offsets\" appears twice"});
  expect_error(file_of(R"({"__metadata__":{},"__metadata__":{}})", 0), {"appears twice"});
  expect_error(file_of(R"({"__metadata__":{"k":"1","k":"2"}})", 0), {"\"k\" twice"});
}

TEST(FileImage, RefusesMissingAndUnknownFields) {
  expect_error(file_of(R"({"t":{"shape":[1],"data_offsets":[0,1]}})", 1), {"\"dtype\" is missing"});
  expect_error(file_of(R"({"t":{"dtype":"U8","data_offsets":[0,1]}})", 1), {"\"shape\" is missing"});
  expect_error(file_of(R"({"t":{"dtype":"U8","shape":[1]}})", 1), {"\"data_offsets\" is missing"});
  expect_error(file_of(R"({"t":{"dtype":"U8","shape":[1],"data_offsets":[0,1],"x":1}})", 1), {"unknown field \"x\""});
}

TEST(FileImage, RefusesDTypes) {
  expect_error(file_of(one("\"F31\"", "[1]", "[0,4]"), 4), {"tensor \"t\"", "unknown dtype \"F31\""});
  expect_error(file_of(one("\"f32\"", "[1]", "[0,4]"), 4), {"unknown dtype \"f32\""});
  expect_error(file_of(one("32", "[1]", "[0,4]"), 4), {"\"dtype\" to be a string"});
  expect_error(file_of(one("\"F8_E4M3\"", "[1]", "[0,1]"), 1), {"F8_E4M3", "save the model as F32"},
               ErrorCode::unsupported);
}

TEST(FileImage, RefusesShapes) {
  expect_error(file_of(one("\"U8\"", "[-1]", "[0,1]"), 1), {"tensor \"t\"", "integers from 0", "-1"});
  expect_error(file_of(one("\"U8\"", "[1.5]", "[0,1]"), 1), {"1.5"});
  expect_error(file_of(one("\"U8\"", "[1e0]", "[0,1]"), 1), {"1e0"});
  expect_error(file_of(one("\"U8\"", "[9223372036854775808]", "[0,1]"), 1), {"9223372036854775808"});
  expect_error(file_of(one("\"U8\"", "[99999999999999999999]", "[0,1]"), 1), {"99999999999999999999"});
  expect_error(file_of(one("\"U8\"", "[1e999]", "[0,1]"), 1), {"not valid JSON"});
  expect_error(file_of(one("\"U8\"", "1", "[0,1]"), 1), {"\"shape\" to be an array"});
  expect_error(file_of(one("\"U8\"", "[[1]]", "[0,1]"), 1), {"found an array"});
  expect_error(file_of(one("\"U8\"", "{}", "[0,1]"), 1), {"found an object"});
  expect_error(file_of(one("\"U8\"", "[true]", "[0,1]"), 1), {"found true"});
  expect_error(file_of(one("\"U8\"", "[4294967296,4294967296]", "[0,0]"), 0), {"[4294967296, 4294967296]", "63 bits"});
  expect_error(file_of(one("\"F32\"", "[4611686018427387904]", "[0,0]"), 0), {"63 bits"});
  std::string dimensions = "1";
  for (int i = 0; i < 64; ++i) dimensions += ",1";
  expect_error(file_of(one("\"U8\"", std::string("[") + dimensions + "]", "[0,1]"), 1), {"more than 64 dimensions"});
}

TEST(FileImage, RefusesOffsets) {
  expect_error(file_of(one("\"U8\"", "[1]", "[0]"), 1), {"two integers", "1 of them"});
  expect_error(file_of(one("\"U8\"", "[1]", "[0,1,2]"), 1), {"two integers"});
  expect_error(file_of(one("\"U8\"", "[1]", "[]"), 1), {"0 of them"});
  expect_error(file_of(one("\"U8\"", "[1]", "[-1,0]"), 1), {"-1"});
  expect_error(file_of(one("\"U8\"", "[1]", "[0,1.0]"), 1), {"1.0"});
  expect_error(file_of(one("\"U8\"", "[1]", "\"0\""), 1), {"\"data_offsets\" to be an array"});
  expect_error(file_of(one("\"U8\"", "[1]", "[1,0]"), 1), {"tensor \"t\"", "begin at 1", "at 0"});
  expect_error(file_of(one("\"U8\"", "[9]", "[0,9]"), 8), {"ends at byte 9", "only 8", "cut short"});
  expect_error(file_of(one("\"U8\"", "[1]", "[0,18446744073709551615]"), 1), {"18446744073709551615", "only 1"});
}

TEST(FileImage, RefusesASizeThatIsNotTheShapes) {
  expect_error(file_of(one("\"F32\"", "[2,3]", "[0,23]"), 23), {"tensor \"t\" has 23 bytes", "[2, 3] of F32 needs 24"});
  expect_error(file_of(one("\"BF16\"", "[]", "[0,4]"), 4), {"has 4 bytes", "[] of BF16 needs 2"});
}

std::string two(const std::string& first, const std::string& second, const std::string& size) {
  const auto entry = [&](const std::string& offsets) {
    return std::string(R"({"dtype":"U8","shape":[)") + size + R"(],"data_offsets":)" + offsets + "}";
  };
  return std::string(R"({"a":)") + entry(first) + R"(,"b":)" + entry(second) + "}";
}

TEST(FileImage, RefusesOverlapsGapsAndTrailingBytes) {
  expect_error(file_of(two("[0,4]", "[2,6]", "4"), 6), {"\"b\" begins at byte 2", "inside \"a\"", "ends at 4"});
  expect_error(file_of(two("[0,4]", "[0,4]", "4"), 4), {"\"b\" begins at byte 0", "inside \"a\""});
  expect_error(file_of(two("[0,4]", "[5,9]", "4"), 9), {"bytes 4 to 5", "before tensor \"b\""});
  expect_error(file_of(two("[1,5]", "[5,9]", "4"), 9), {"bytes 0 to 1", "before tensor \"a\""});
  expect_error(file_of(two("[0,4]", "[4,8]", "4"), 11), {"end at byte 8", "has 11", "3 bytes belong to no tensor"});
  expect_error(file_of("{}", 1), {"1 bytes belong to no tensor"});
}

TEST(FileImage, RefusesMetadataThatIsNotStrings) {
  expect_error(file_of(R"({"__metadata__":[]})", 0), {"\"__metadata__\" to be an object"});
  expect_error(file_of(R"({"__metadata__":{"a":1}})", 0), {"strings to strings", "found 1"});
  expect_error(file_of(R"({"__metadata__":{"a":{}}})", 0), {"strings to strings"});
}

TEST(FileImage, RefusesDeepNestingAtOnce) {
  expect_error(file_of(std::string(R"({"t":)") + std::string(10'000'000, '['), 0), {"found an array"});
  expect_error(file_of(std::string(R"({"t":{"shape":)") + std::string(10'000'000, '['), 0), {"found an array"});
}

TEST(FileImage, ShowsHostileNamesSafelyAndShort) {
  const std::string name = std::string(R"(\u001b[31m)") + std::string(100'000, 'x');
  expect_error(file_of(std::string("{\"") + name + R"(":{"dtype":"U8","shape":[2],"data_offsets":[0,1]}})", 1),
               {"?[31mxxx", "…"});
}

TEST(FileImage, TakesManyTensors) {
  std::string header = "{";
  for (int i = 0; i < 20'000; ++i) {
    if (i > 0) header += ',';
    header += fmt::format(R"("{}":{{"dtype":"U8","shape":[1],"data_offsets":[{},{}]}})", i, i, i + 1);
  }
  EXPECT_EQ(read_file_image(to_bytes(file_of(header + "}", 20'000)), "f").tensors.size(), 20'000U);
}

}  // namespace
}  // namespace treble::internal
