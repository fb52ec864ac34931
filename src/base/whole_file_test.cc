#include "treble/whole_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <fstream>
#include <functional>
#include <iterator>
#include <string>

#include "treble/error.h"

namespace treble::internal {
namespace {

namespace fs = std::filesystem;

class WholeFileTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "treble-whole-file-XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { fs::remove_all(folder_); }

  static void put(const fs::path& path, const std::string& text) { std::ofstream(path, std::ios::binary) << text; }
  static std::string content(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  }
  std::size_t count() const {
    return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()));
  }
  static ErrorCode code_of(const std::function<void()>& body) {
    try {
      body();
    } catch (const Error& error) {
      return error.code();
    }
    return ErrorCode::internal;
  }

  fs::path folder_;
};

TEST_F(WholeFileTest, AppearsAtTheCommitAndNotBefore) {
  const fs::path path = folder_ / "report.json";
  put(path, "old");
  {
    WholeFile file(path);
    file.write("new");
    EXPECT_EQ(content(path), "old");
    file.commit();
  }
  EXPECT_EQ(content(path), "new");
  EXPECT_EQ(count(), 1U);
}

TEST_F(WholeFileTest, WithoutACommitNothingIsLeft) {
  {
    WholeFile file(folder_ / "report.json");
    file.write("new");
    EXPECT_EQ(count(), 1U);
  }
  EXPECT_EQ(count(), 0U);
  check_writable(folder_ / "report.json");
  EXPECT_EQ(count(), 0U);
}

TEST_F(WholeFileTest, LeavesFilesAndLinksOfTemporaryNamesAlone) {
  put(folder_ / "x.json.tmp", "mine");
  put(folder_ / "x.json.part", "mine too");
  put(folder_ / "precious", "untouched");
  fs::create_symlink(folder_ / "precious", folder_ / ".x.json.tmp");
  write_whole_file(folder_ / "x.json", "new");
  EXPECT_EQ(content(folder_ / "x.json.tmp"), "mine");
  EXPECT_EQ(content(folder_ / "x.json.part"), "mine too");
  EXPECT_EQ(content(folder_ / "precious"), "untouched");
  EXPECT_TRUE(fs::is_symlink(folder_ / ".x.json.tmp"));
  EXPECT_EQ(count(), 5U);
}

TEST_F(WholeFileTest, ALinkStaysALinkToWhatIsWritten) {
  fs::create_directory(folder_ / "elsewhere");
  put(folder_ / "elsewhere" / "target", "old");
  fs::create_symlink("elsewhere/target", folder_ / "link");
  fs::create_symlink("elsewhere/new", folder_ / "dangling");
  write_whole_file(folder_ / "link", "one");
  write_whole_file(folder_ / "dangling", "two");
  EXPECT_TRUE(fs::is_symlink(folder_ / "link"));
  EXPECT_TRUE(fs::is_symlink(folder_ / "dangling"));
  EXPECT_EQ(content(folder_ / "elsewhere" / "target"), "one");
  EXPECT_EQ(content(folder_ / "elsewhere" / "new"), "two");
  fs::create_symlink("round", folder_ / "round");
  EXPECT_EQ(code_of([&] { write_whole_file(folder_ / "round", ""); }), ErrorCode::io);
}

TEST_F(WholeFileTest, KeepsThePermissionsOfWhatItReplacesAndFollowsTheUmask) {
  const fs::path path = folder_ / "report.json";
  put(path, "old");
  ::chmod(path.c_str(), 0640);
  write_whole_file(path, "new");
  struct stat status = {};
  ASSERT_EQ(::stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0640U);
  const mode_t before = ::umask(077);
  write_whole_file(folder_ / "private.json", "new");
  ::umask(before);
  ASSERT_EQ(::stat((folder_ / "private.json").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600U);
}

TEST_F(WholeFileTest, RefusesWhatExistsAlsoWhenItAppearsMeanwhile) {
  const fs::path path = folder_ / "report.json";
  put(path, "old");
  EXPECT_EQ(code_of([&] { check_writable(path, Existing::refuse); }), ErrorCode::invalid_argument);
  fs::remove(path);
  WholeFile file(path, Existing::refuse);
  file.write("new");
  put(path, "somebody else's");
  try {
    file.commit();
    FAIL() << "the file that appeared was replaced";
  } catch (const Error& error) {
    const std::string message = error.what();
    const fs::path kept = message.substr(message.find(" is in ") + 7);
    EXPECT_EQ(content(kept), "new") << message;
  }
  EXPECT_EQ(content(path), "somebody else's");
}

TEST_F(WholeFileTest, NamesWhatCannotBeAFile) {
  EXPECT_EQ(code_of([&] { check_writable(folder_); }), ErrorCode::invalid_argument);
  EXPECT_EQ(code_of([&] { check_writable(folder_ / ""); }), ErrorCode::invalid_argument);
  EXPECT_EQ(code_of([] { check_writable("/dev/null"); }), ErrorCode::invalid_argument);
  EXPECT_EQ(code_of([&] { check_writable(folder_ / "none" / "x.json"); }), ErrorCode::not_found);
  std::array<int, 2> ends = {};
  ASSERT_EQ(::pipe(ends.data()), 0);
  EXPECT_EQ(code_of([&] { check_writable("/proc/self/fd/" + std::to_string(ends[1])); }), ErrorCode::invalid_argument);
  ::close(ends[0]);
  ::close(ends[1]);
  ASSERT_EQ(::mkfifo((folder_ / "pipe").c_str(), 0600), 0);
  EXPECT_EQ(code_of([&] { check_writable(folder_ / "pipe"); }), ErrorCode::invalid_argument);
}

TEST_F(WholeFileTest, TakesNamesAsLongAsTheyMayBe) {
  const fs::path path = folder_ / std::string(255, 'n');
  write_whole_file(path, "new");
  EXPECT_EQ(content(path), "new");
}

}  // namespace
}  // namespace treble::internal
