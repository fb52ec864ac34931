#include "base/npz_writer.h"

#include <gtest/gtest.h>

#include <array>

#include "base/test_folder.h"
#include "treble/error.h"

namespace treble::internal {
namespace {

constexpr std::array<float, 6> kValues = {1.0F, -2.5F, 0.0F, 3e-9F, 7.0F, 1e30F};
constexpr std::array<std::int64_t, 3> kOffsets = {0, 1, 2};
constexpr std::array<std::int8_t, 4> kCodes = {-128, 0, 1, 127};

/// What tools/golden/multi_vector.py lets numpy write.
std::string archive(std::uint64_t max_plain) {
  const test::TestFolder folder;
  {
    WholeFile file(folder / "a.npz");
    NpzWriter writer(file, max_plain);
    writer.begin("values", NpyType::float32, 3);
    writer.append(std::span<const float>(kValues).first(2));
    writer.append(std::span<const float>(kValues).subspan(2));
    writer.end();
    writer.add("offsets", NpyType::int64, std::span<const std::int64_t>(kOffsets));
    writer.add("codes", NpyType::int8, std::span<const std::int8_t>(kCodes), 2);
    writer.add("none", NpyType::float32, std::span<const float>(), 5);
    writer.add_text("format", "csr");
    writer.add_text("empty", "");
    writer.finish();
    file.commit();
  }
  return test::read_all(folder / "a.npz");
}

std::string golden(const std::string& name) {
  return test::read_all(test::fs::path(TREBLE_SOURCE_DIR) / "tests/golden/multi-vector" / name);
}

TEST(NpzWriter, WritesTheBytesThatNumpyWrites) { EXPECT_EQ(archive(NpzWriter::kMaxPlain), golden("arrays.npz")); }

TEST(NpzWriter, SizesAndOffsetsInSixtyFourBitsAsPythonsZipfile) { EXPECT_EQ(archive(20), golden("arrays-zip64.npz")); }

TEST(NpzWriter, RefusesPartOfARowAndArraysOutOfOrder) {
  const test::TestFolder folder;
  WholeFile file(folder / "a.npz");
  NpzWriter writer(file);
  EXPECT_THROW(writer.end(), Error);
  EXPECT_THROW(writer.append(std::span<const float>(kValues)), Error);
  writer.begin("values", NpyType::float32, 4);
  writer.append(std::span<const float>(kValues));
  EXPECT_THROW(writer.begin("other", NpyType::float32), Error);
  EXPECT_THROW(writer.finish(), Error);
  EXPECT_THROW(writer.end(), Error);
}

}  // namespace
}  // namespace treble::internal
