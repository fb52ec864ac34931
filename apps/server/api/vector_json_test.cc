#include "api/vector_json.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <random>
#include <vector>

namespace treble::server {
namespace {

std::string base64_of(const std::vector<float>& values) {
  std::string json;
  append_base64(json, std::as_bytes(std::span(values)));
  return json;
}

TEST(VectorJson, NumbersComeBackToTheLastBit) {
  using Limits = std::numeric_limits<float>;
  std::vector<float> values = {0.0F,
                               -0.0F,
                               1.0F,
                               -1.0F / 3,
                               Limits::max(),
                               Limits::min(),
                               Limits::lowest(),
                               Limits::denorm_min(),
                               Limits::epsilon(),
                               -1.17549435e-38F};
  std::mt19937 random(1);
  while (values.size() < 2000) {
    const auto bits = static_cast<std::uint32_t>(random());
    float value = 0;
    std::memcpy(&value, &bits, sizeof(value));
    if (std::isfinite(value)) values.push_back(value);
  }
  std::string json;
  append_numbers(json, values);
  const auto read = nlohmann::json::parse(json);
  ASSERT_EQ(read.size(), values.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto back = static_cast<float>(read[i].get<double>());
    EXPECT_EQ(back, values[i]);
  }
}

TEST(VectorJson, NoNumbers) {
  std::string json = "x";
  append_numbers(json, {});
  EXPECT_EQ(json, "x[]");
}

TEST(VectorJson, Base64OfLittleEndianBytes) {
  EXPECT_EQ(base64_of({}), R"("")");
  EXPECT_EQ(base64_of({1.0F}), R"("AACAPw==")");
  EXPECT_EQ(base64_of({1.0F, -2.0F}), R"("AACAPwAAAMA=")");
  EXPECT_EQ(base64_of({1.0F, -2.0F, 0.5F}), R"("AACAPwAAAMAAAAA/")");
  // Every letter of the alphabet at its place.
  EXPECT_EQ(base64_of({std::numeric_limits<float>::max()}), R"("//9/fw==")");
}

}  // namespace
}  // namespace treble::server
