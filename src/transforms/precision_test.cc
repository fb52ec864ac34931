// Precisions against sentence-transformers and numpy (tools/golden/precision.py), and the file of ranges.
#include "treble/precision.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <functional>
#include <limits>
#include <nlohmann/json.hpp>
#include <random>

#include "base/json_file.h"
#include "base/test_folder.h"
#include "safetensors/safetensors.h"
#include "tensor/dtype.h"
#include "tensor/half.h"
#include "treble/error.h"

namespace treble::internal {
namespace {

namespace fs = std::filesystem;

nlohmann::json golden_precision() {
  return parse_json_file(std::string(TREBLE_SOURCE_DIR) + "/tests/golden/precision.json");
}

template <typename T>
std::vector<T> flat(const nlohmann::json& rows) {
  std::vector<T> values;
  for (const auto& row : rows) {
    for (const auto& value : row) values.push_back(value.get<T>());
  }
  return values;
}

VectorRanges ranges_of(const nlohmann::json& rows) {
  VectorRanges ranges;
  ranges.min = rows.at(0).get<std::vector<float>>();
  ranges.max = rows.at(1).get<std::vector<float>>();
  return ranges;
}

/// The rows as the numbers they are.
template <typename T>
std::vector<T> numbers(const std::vector<std::byte>& bytes) {
  std::vector<T> values(bytes.size() / sizeof(T));
  std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

std::vector<int> wide(const std::vector<std::byte>& bytes, Precision precision) {
  std::vector<int> values;
  const bool is_signed = precision == Precision::int8 || precision == Precision::binary;
  for (const std::byte byte : bytes) {
    const int value = std::to_integer<int>(byte);
    values.push_back(is_signed && value > 127 ? value - 256 : value);
  }
  return values;
}

std::string message_of(const std::function<void()>& call, ErrorCode code) {
  try {
    call();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    return error.what();
  }
  return "no error";
}

void expect_in(const std::string& message, const std::string& part) {
  EXPECT_NE(message.find(part), std::string::npos) << message << "\n  lacks: " << part;
}

TEST(PrecisionTest, EqualsSentenceTransformers) {
  for (const auto& one : golden_precision().at("cases")) {
    const auto dim = one.at("dim").get<std::int64_t>();
    const auto vectors = flat<float>(one.at("vectors"));
    const VectorRanges ranges = ranges_of(one.at("ranges"));
    for (const std::string name : {"int8", "uint8", "binary", "ubinary"}) {
      const Precision precision = parse_precision(name);
      const auto given = needs_ranges(precision) ? std::optional(ranges) : std::nullopt;
      EXPECT_EQ(wide(quantize(vectors, dim, precision, given), precision), flat<int>(one.at(name))) << name << dim;
      if (!given) continue;
      EXPECT_EQ(wide(quantize(vectors, dim, precision), precision), flat<int>(one.at(name + " of itself"))) << dim;
      EXPECT_GT(ranges.count_outside(vectors), 0);
    }
    EXPECT_EQ(numbers<std::uint16_t>(quantize(vectors, dim, Precision::float16)),
              flat<std::uint16_t>(one.at("float16")));
    EXPECT_EQ(numbers<float>(quantize(vectors, dim, Precision::float32)), vectors);
  }
}

TEST(PrecisionTest, HalvesAreRoundedAsNumpyDoes) {
  const auto golden = golden_precision().at("halves");
  const auto values = golden.at("values").get<std::vector<float>>();
  const auto bits = golden.at("bits").get<std::vector<std::uint16_t>>();
  for (std::size_t i = 0; i < values.size(); ++i) EXPECT_EQ(float_to_half(values[i]), bits[i]) << values[i];
  EXPECT_EQ(float_to_half(65520), 0x7C00);
  EXPECT_EQ(float_to_half(-std::numeric_limits<float>::infinity()), 0xFC00);
  EXPECT_TRUE(std::isnan(half_to_float(float_to_half(std::nanf("")))));
  // Each half is its own nearest.
  for (int half = 0; half < 0x10000; ++half) {
    const float value = half_to_float(static_cast<std::uint16_t>(half));
    if (std::isnan(value)) continue;
    EXPECT_EQ(float_to_half(value), half);
  }
}

TEST(PrecisionTest, StepsHoldForRandomRanges) {
  std::mt19937 random(25);
  std::normal_distribution<float> normal;
  for (int round = 0; round < 50; ++round) {
    const auto dim = static_cast<std::int64_t>(1 + random() % 33);
    std::vector<float> vectors(static_cast<std::size_t>(dim) * 9);
    for (float& value : vectors) value = normal(random);
    VectorRanges ranges;
    ranges.add(std::span(vectors).first(vectors.size() / 9 * 4), dim);
    const auto rows = numbers<std::int8_t>(quantize(vectors, dim, Precision::int8, ranges));
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const float low = ranges.min[i % static_cast<std::size_t>(dim)];
      const float high = ranges.max[i % static_cast<std::size_t>(dim)];
      const float step = (high - low) / 255;
      const float back = low + (static_cast<float>(rows[i]) + 128) * step;
      const float clipped = std::clamp(vectors[i], low, high);
      // A level is the floor: up to a step below, but for rounding.
      EXPECT_GE(clipped - back, -1e-5F) << round;
      EXPECT_LE(clipped - back, step * 1.001F + 1e-6F) << round;
    }
  }
}

TEST(PrecisionTest, JsonReadsBackAsTheSameNumbers) {
  const std::vector<float> vectors = {0.1F, -3.4e-5F, 1.0F / 3, 60000, -2, 0, 5.96e-8F, -1e-3F, 7};
  const auto read = [&](Precision precision) {
    const Quantizer quantizer(9, precision);
    return nlohmann::json::parse(quantizer.json(quantizer.quantize(vectors)));
  };
  EXPECT_EQ(read(Precision::float32).get<std::vector<float>>(), vectors);
  EXPECT_EQ(read(Precision::ubinary), nlohmann::json({0xB2, 0x80}));
  EXPECT_EQ(read(Precision::binary), nlohmann::json({0x32, 0}));
  // Five digits tell any half from its neighbours.
  for (int half = 0; half < 0x7C00; ++half) {
    const auto bits = static_cast<std::uint16_t>(half);
    const std::vector<float> value = {half_to_float(bits)};
    const Quantizer quantizer(1, Precision::float16);
    const auto json = nlohmann::json::parse(quantizer.json(quantizer.quantize(value)));
    ASSERT_EQ(float_to_half(json.at(0).get<float>()), bits) << json;
  }
}

TEST(PrecisionTest, BadInputIsNamed) {
  const std::vector<float> one = {1, 2, 3};
  const auto quantize_one = [&](Precision precision, const std::optional<VectorRanges>& ranges) {
    return [&one, precision, ranges] { quantize(one, 3, precision, ranges); };
  };
  const auto code = ErrorCode::invalid_argument;
  expect_in(message_of(quantize_one(Precision::int8, {}), code), "there is one vector; give ranges");
  expect_in(message_of([] { Quantizer(3, Precision::uint8); }, code), "treble fit --transform ranges");
  const float nan = std::nanf("");
  const auto with = [](std::vector<float> min, std::vector<float> max) {
    VectorRanges ranges;
    ranges.min = std::move(min);
    ranges.max = std::move(max);
    return ranges;
  };
  expect_in(message_of(quantize_one(Precision::int8, with({0, nan, 0}, {1, 1, 1})), code), "dimension 1 is nan to 1");
  expect_in(message_of(quantize_one(Precision::int8, with({0, 0, 2}, {1, 1, 1})), code), "dimension 2 is 2 to 1");
  expect_in(message_of(quantize_one(Precision::int8, with({0, 0, -3e38F}, {1, 1, 3e38F})), code), "dimension 2");
  expect_in(message_of(quantize_one(Precision::int8, with({0, 0}, {1, 1})), code),
            "of 2 dimensions, and the vectors have 3");
  expect_in(message_of(quantize_one(Precision::int8, with({0, 0, 0}, {1, 1})), code), "not 3 and 2 numbers");
  expect_in(message_of(quantize_one(Precision::binary, with({0}, {1})), code), "ranges are for int8 and uint8");
  expect_in(message_of([&] { quantize(one, 2, Precision::float16); }, code), "3 numbers as vectors of 2");
  expect_in(message_of([] { parse_precision("int7"); }, code), "float32, float16, int8, uint8, binary and ubinary");
  const std::vector<float> bad = {0, 1, 2, nan};
  for (const Precision precision : {Precision::float32, Precision::ubinary, Precision::uint8}) {
    expect_in(message_of([&] { quantize(bad, 2, precision); }, ErrorCode::non_finite), "text 1: dimension 1 is nan");
  }
  const std::vector<float> far = {1, 70000};
  expect_in(message_of([&] { quantize(far, 1, Precision::float16); }, ErrorCode::non_finite),
            "text 1: dimension 0 is 70000, beyond the 65504 of float16");
}

TEST(PrecisionTest, RangesSurviveTheirFile) {
  const test::TestFolder folder;
  VectorRanges ranges;
  ranges.add(std::vector<float>{1, -2, 0, 3, 4, 0}, 3);
  ranges.vectors = R"({"dim":3})";
  const fs::path path = folder / "ranges.safetensors";
  ranges.save(path);
  const VectorRanges read = VectorRanges::load(path);
  EXPECT_EQ(read.min, (std::vector<float>{1, -2, 0}));
  EXPECT_EQ(read.max, (std::vector<float>{3, 4, 0}));
  EXPECT_EQ(read.texts, 2);
  EXPECT_EQ(read.vectors, ranges.vectors);
  EXPECT_EQ(read.file, path);
  EXPECT_EQ(read.sha256(), ranges.sha256());
  VectorRanges other = ranges;
  other.max[1] = 5;
  EXPECT_NE(other.sha256(), ranges.sha256());
  EXPECT_THROW(ranges.save(path, Existing::refuse), Error);
}

TEST(PrecisionTest, HostileRangesAreNamed) {
  const test::TestFolder folder;
  const fs::path path = folder / "ranges.safetensors";
  const auto refusal = [&](const std::vector<float>& values, std::vector<std::int64_t> shape, const std::string& key,
                           const std::string& metadata) {
    const std::vector<TensorToWrite> tensors = {
        {"ranges", DType::kF32, std::move(shape), std::as_bytes(std::span(values))}};
    write_safetensors(path, tensors, {{key, metadata}});
    return message_of([&] { VectorRanges::load(path); }, ErrorCode::invalid_file);
  };
  const std::string good = R"({"schema":"treble.ranges/1","texts":3})";
  expect_in(refusal({0, 1}, {2, 1}, "other", "{}"), "these are no ranges");
  expect_in(refusal({0, 1}, {2, 1}, "treble_ranges", "{}"), "treble.ranges/1");
  expect_in(refusal({0, 1}, {1, 2}, "treble_ranges", good), "[2, dim]");
  expect_in(refusal({0, 1}, {2}, "treble_ranges", good), "[2, dim]");
  expect_in(refusal({}, {2, 0}, "treble_ranges", good), "[2, dim]");
  expect_in(refusal({2, 1}, {2, 1}, "treble_ranges", good), "dimension 0 is 2 to 1");
  expect_in(message_of([&] { VectorRanges::load(folder / "none"); }, ErrorCode::not_found), "none");
}

}  // namespace
}  // namespace treble::internal
