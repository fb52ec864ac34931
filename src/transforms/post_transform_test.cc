// Transforms against NumPy and scikit-learn (tools/golden/transforms.py), and their files.
#include "treble/post_transform.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <iterator>

#include <unistd.h>

#include "base/json_file.h"
#include "treble/error.h"

namespace treble::internal {
namespace {

constexpr std::int64_t kRows = 30;
constexpr std::int64_t kCols = 8;

std::vector<float> vectors() {
  std::vector<float> values;
  std::uint64_t state = 7;
  while (values.size() < kRows * kCols) {
    state = (state * 1103515245 + 12345) % (std::uint64_t{1} << 31);
    const float base = static_cast<float>(static_cast<std::int64_t>((state >> 16) % 1024) - 512) / 512;
    values.push_back(base * static_cast<float>(1 + values.size() % kCols) / 4 + 0.5F);
  }
  return values;
}

nlohmann::json golden() { return parse_json_file(std::string(TREBLE_SOURCE_DIR) + "/tests/golden/transforms.json"); }

PostFitter fitter_of(const std::vector<float>& values) {
  const auto lengths = golden()["lengths"].get<std::vector<std::int64_t>>();
  PostFitter fitter(kCols);
  // In two parts, as texts stream by.
  fitter.add(std::span(values).first(10 * kCols), std::span(lengths).first(10));
  fitter.add(std::span(values).subspan(10 * kCols), std::span(lengths).subspan(10));
  return fitter;
}

class Transforms : public ::testing::TestWithParam<const char*> {};

TEST_P(Transforms, EqualsNumPy) {
  const auto values = vectors();
  const auto expected = golden()[GetParam()].get<std::vector<std::vector<double>>>();
  const PostTransform transform = fitter_of(values).fit(PostSpec::parse(GetParam()), {});
  EXPECT_EQ(transform.output_dim(), static_cast<std::int64_t>(expected.front().size()));
  const auto result = transform.apply(values, true);
  for (std::size_t row = 0; row < expected.size(); ++row) {
    for (std::size_t col = 0; col < expected[row].size(); ++col) {
      EXPECT_NEAR(result[row * expected[row].size() + col], expected[row][col], 2e-6) << row << ", " << col;
    }
  }
}

TEST_P(Transforms, SurvivesItsFile) {
  const auto values = vectors();
  const auto path = std::filesystem::temp_directory_path() / ("treble_post_" + std::to_string(::getpid()) + ".st");
  const PostTransform transform =
      fitter_of(values).fit(PostSpec::parse(GetParam()), {.model = "m", .temperature = "0.8"});
  transform.save(path);
  const PostTransform loaded = PostTransform::load(path);
  EXPECT_EQ(loaded.apply(values, true), transform.apply(values, true));
  EXPECT_EQ(loaded.spec().to_string(), GetParam());
  EXPECT_EQ(loaded.sha256(), transform.sha256());
  EXPECT_EQ(loaded.provenance().model, "m");
  EXPECT_EQ(loaded.provenance().temperature, "0.8");
  EXPECT_EQ(loaded.provenance().texts, kRows);

  // Cut anywhere, it is an error and not a crash.
  std::ifstream in(path, std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  for (std::size_t size = 0; size < bytes.size(); size += 7) {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes.substr(0, size);
    EXPECT_THROW(PostTransform::load(path), Error) << size;
  }
  std::filesystem::remove(path);
}

INSTANTIATE_TEST_SUITE_P(All, Transforms,
                         ::testing::Values("centring", "whitening", "whitening:3", "all-but-the-top",
                                           "all-but-the-top:2", "length-direction"));

TEST(PostTransform, WhitenedVectorsHaveTheSameVarianceEverywhere) {
  const auto values = vectors();
  const auto result = fitter_of(values).fit({PostKind::whitening}, {}).apply(values, false);
  for (std::size_t a = 0; a < kCols; ++a) {
    for (std::size_t b = 0; b <= a; ++b) {
      double sum = 0;
      for (std::size_t row = 0; row < kRows; ++row)
        sum += double{result[row * kCols + a]} * double{result[row * kCols + b]};
      EXPECT_NEAR(sum / kRows, a == b ? 1 : 0, 1e-4);
    }
  }
}

TEST(PostTransform, RefusesWhatCannotBeFitted) {
  const std::vector<float> same = {1, 0, 1, 0, 1, 0};
  const std::vector<std::int64_t> lengths = {5, 5, 5};
  PostFitter fitter(2);
  EXPECT_THROW(fitter.fit({PostKind::centring}, {}), Error);
  EXPECT_THROW(fitter.add(same, std::vector<std::int64_t>{1}), Error);
  fitter.add(same, lengths);
  EXPECT_THROW(fitter.fit({PostKind::whitening}, {}), Error);
  EXPECT_THROW(fitter.fit({PostKind::all_but_the_top}, {}), Error);
  EXPECT_THROW(fitter.fit({PostKind::length_direction}, {}), Error);
  EXPECT_THROW(fitter_of(vectors()).fit({PostKind::whitening, 9}, {}), Error);
}

TEST(PostTransform, AVectorOfWhichNothingIsLeftIsAnError) {
  const std::vector<float> same = {1, 0, 1, 0, 1, 0};
  PostFitter fitter(2);
  fitter.add(same, std::vector<std::int64_t>{1, 2, 3});
  const PostTransform centring = fitter.fit({PostKind::centring}, {});
  EXPECT_THROW(centring.apply(same, true), Error);
  EXPECT_EQ(centring.apply(same, false), std::vector<float>(6, 0.0F));
  EXPECT_THROW(centring.apply(std::vector<float>(3, 1.0F), true), Error);
}

TEST(PostSpec, RefusesOtherNames) {
  for (const char* text : {"", "centering", "whitening:", "whitening:0", "whitening:-1", "whitening:1x", "centring:2",
                           "length-direction:1", "whitening:99999999999999999999"}) {
    EXPECT_THROW(PostSpec::parse(text), Error) << text;
  }
}

}  // namespace
}  // namespace treble::internal
