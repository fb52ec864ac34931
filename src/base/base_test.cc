#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <string>

#include "base/cpu.h"
#include "base/json_file.h"
#include "base/mapped_file.h"
#include "base/sha256.h"
#include "treble/error.h"
#include "treble/version.h"

namespace treble::internal {
namespace {

namespace fs = std::filesystem;

class Files : public ::testing::Test {
 protected:
  Files() : folder_(fs::temp_directory_path() / ("treble-base-" + std::to_string(::getpid()))) {
    fs::create_directories(folder_);
  }
  ~Files() override { fs::remove_all(folder_); }

  fs::path write(const std::string& name, const std::string& bytes) const {
    fs::create_directories((folder_ / name).parent_path());
    std::ofstream(folder_ / name, std::ios::binary) << bytes;
    return folder_ / name;
  }

  fs::path folder_;
};

/// The message of the Error that `body` throws, after its code.
template <typename Body>
std::string error_of(const Body& body) {
  try {
    body();
  } catch (const Error& error) {
    return std::string(mapping(error.code()).name) + ": " + error.what();
  }
  return "no error";
}

TEST(ErrorTable, HasARowForEveryCode) {
  std::set<std::string> names;
  for (int code = 0; code <= static_cast<int>(ErrorCode::internal); ++code) {
    const auto& row = mapping(static_cast<ErrorCode>(code));
    EXPECT_EQ(row.code, static_cast<ErrorCode>(code));
    EXPECT_TRUE(names.insert(row.name).second);
    EXPECT_GE(row.http_status, 400);
    EXPECT_NE(row.exit_code, 0);
  }
}

TEST(Version, IsThatOfTheBuild) {
  EXPECT_EQ(std::string(version()).find_first_not_of("0123456789."), std::string::npos);
}

TEST_F(Files, CgroupQuotaOfVersion2) {
  write("a/cpu.max", "150000 100000\n");
  write("a/b/cpu.max", "max 100000\n");
  EXPECT_DOUBLE_EQ(cgroup_cpu_quota(folder_.string(), "/a"), 1.5);
  EXPECT_DOUBLE_EQ(cgroup_cpu_quota(folder_.string(), "/a/b"), 1.5) << "a parent's quota counts";
  EXPECT_DOUBLE_EQ(cgroup_cpu_quota(folder_.string(), "/c"), 0);
}

TEST_F(Files, CgroupQuotaOfVersion1) {
  write("d/cpu.cfs_quota_us", "200000\n");
  write("d/cpu.cfs_period_us", "100000\n");
  write("e/cpu.cfs_quota_us", "-1\n");
  write("e/cpu.cfs_period_us", "100000\n");
  EXPECT_DOUBLE_EQ(cgroup_cpu_quota(folder_.string(), "/d"), 2);
  EXPECT_DOUBLE_EQ(cgroup_cpu_quota(folder_.string(), "/e"), 0);
}

TEST_F(Files, CgroupQuotaInsideAContainerLiesAtTheMount) {
  write("cpu.max", "200000 100000\n");
  EXPECT_DOUBLE_EQ(cgroup_cpu_quota(folder_.string(), "/docker/abc"), 2);
}

TEST_F(Files, DamagedQuotasAreNoQuota) {
  write("f/cpu.max", "many 100000\n");
  write("g/cpu.max", "100000 0\n");
  write("h/cpu.max", "");
  for (const char* group : {"/f", "/g", "/h"}) EXPECT_DOUBLE_EQ(cgroup_cpu_quota(folder_.string(), group), 0);
}

TEST(Cpu, NamesAmxWhereAllOfItIsThere) {
  constexpr std::uint32_t kAll = 1U << 22 | 1U << 24 | 1U << 25;
  constexpr std::uint64_t kSaved = 0x60000;
  EXPECT_TRUE(names_amx(kAll, kSaved));
  EXPECT_TRUE(names_amx(~0U, ~std::uint64_t{0}));
  for (const unsigned bit : {22U, 24U, 25U}) EXPECT_FALSE(names_amx(~(1U << bit), kSaved)) << bit;
  EXPECT_FALSE(names_amx(kAll, 0x20000));
  EXPECT_FALSE(names_amx(kAll, 0x40000));
}

TEST(Cpu, AtLeastOneThread) { EXPECT_GE(available_threads(), 1); }

TEST_F(Files, MappedFileHoldsTheBytes) {
  const MappedFile file(write("x", std::string("a\0b", 3)));
  ASSERT_EQ(file.bytes().size(), 3U);
  EXPECT_EQ(file.bytes()[1], std::byte{0});
  EXPECT_TRUE(MappedFile(write("empty", "")).bytes().empty());
}

TEST_F(Files, MappedFileNamesWhatIsWrong) {
  EXPECT_NE(error_of([&] { MappedFile(folder_ / "none"); }).find("not_found: "), std::string::npos);
  EXPECT_NE(error_of([&] { MappedFile(folder_ / ""); }).find("not a regular file"), std::string::npos);
}

TEST(Sha256Digest, EqualsThePublishedVectors) {
  EXPECT_EQ(Sha256().hex_digest(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  Sha256 hash;
  hash.update(std::as_bytes(std::span("a", 1)));
  hash.update(std::as_bytes(std::span("bc", 2)));
  EXPECT_EQ(hash.hex_digest(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Json, ReadsTypesAndDefaults) {
  const auto json = JsonObject::from_text(R"({"i": 3, "n": 0.5, "s": "x", "b": true, "z": null})", "c.json");
  EXPECT_EQ(json.required_integer("i"), 3);
  EXPECT_EQ(json.number("n"), 0.5);
  EXPECT_EQ(json.required_string("s"), "x");
  EXPECT_EQ(json.boolean("b"), true);
  EXPECT_FALSE(json.integer("z"));
  EXPECT_FALSE(json.integer("absent"));
}

TEST(Json, ErrorsNameFileKeyAndTypes) {
  const auto json = JsonObject::from_text(R"({"i": "three", "f": 1.5, "u": 18446744073709551615})", "c.json");
  EXPECT_EQ(error_of([&] { json.integer("i"); }), "invalid_file: c.json: \"i\" must be an integer, found string");
  EXPECT_NE(error_of([&] { json.integer("f"); }).find("must be an integer"), std::string::npos);
  EXPECT_NE(error_of([&] { json.integer("u"); }).find("64 bits"), std::string::npos);
  EXPECT_EQ(error_of([&] { json.required_string("k"); }), "invalid_file: c.json: \"k\" is missing");
}

TEST(Json, HostileTextIsAnError) {
  const std::string deep(100000, '[');
  for (const std::string& text : {std::string(), std::string("{"), std::string("[1]"), std::string("{\"a\": \xff}"),
                                  deep, "{\"a\":" + deep, std::string("nul\0l", 5), std::string("{}\0{", 4)}) {
    EXPECT_EQ(error_of([&] { JsonObject::from_text(text, "c.json"); }).find("invalid_file: c.json"), 0U)
        << text.substr(0, 20);
  }
}

}  // namespace
}  // namespace treble::internal
