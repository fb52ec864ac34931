#include "file_roles.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "treble/error.h"

namespace treble::cli {
namespace {

namespace fs = std::filesystem;

class Roles : public ::testing::Test {
 protected:
  Roles() {
    std::string pattern = (fs::temp_directory_path() / "treble_roles_XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
  }
  ~Roles() override { fs::remove_all(folder_); }

  std::string file(const std::string& name) const {
    std::ofstream(folder_ / name) << "x";
    return (folder_ / name).string();
  }
  std::string refusal() const {
    try {
      roles_.check();
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
      return error.what();
    }
    return "no error";
  }

  fs::path folder_;
  FileRoles roles_;
};

TEST_F(Roles, AnOutputIsNoInputByWhateverName) {
  const std::string input = file("a.txt");
  roles_.reads(input, "--queries");
  fs::create_symlink("a.txt", folder_ / "link.txt");
  roles_.writes((folder_ / "link.txt").string(), "--json");
  const std::string message = refusal();
  EXPECT_NE(message.find("link.txt is --queries and the output of --json at once"), std::string::npos) << message;
}

TEST_F(Roles, AHardLinkIsTheSameFile) {
  roles_.reads(file("a.txt"), "an input");
  fs::create_hard_link(folder_ / "a.txt", folder_ / "b.txt");
  roles_.writes((folder_ / "b.txt").string(), "-o");
  EXPECT_NE(refusal(), "no error");
}

TEST_F(Roles, TwoOutputsNeedTwoFiles) {
  roles_.writes((folder_ / "new.json").string(), "--json");
  roles_.writes((folder_ / "." / "new.json").string(), "--html");
  EXPECT_NE(refusal().find("--json and --html both go to"), std::string::npos);
}

TEST_F(Roles, StdinIsReadOnce) {
  roles_.reads("-", "an input");
  roles_.reads("-", "--queries");
  EXPECT_EQ(refusal(), "an input and --queries are both read from stdin, which can be read once; give a file");
}

TEST_F(Roles, NothingBecomesPartOfTheModel) {
  roles_.reads_model(std::string(TREBLE_SOURCE_DIR) + "/tests/golden/bert/model");
  roles_.writes(std::string(TREBLE_SOURCE_DIR) + "/tests/golden/bert/model/modules.json", "--json");
  EXPECT_NE(refusal(), "no error");
}

TEST_F(Roles, FilesOfTheirOwnAreFine) {
  roles_.reads(file("a.txt"), "an input");
  roles_.reads_temperature("match:" + file("profile.json"));
  roles_.writes((folder_ / "out.npy").string(), "-o");
  roles_.writes("", "--json");
  EXPECT_EQ(refusal(), "no error");
}

TEST_F(Roles, AProfileIsAnInput) {
  const std::string profile = file("profile.json");
  roles_.reads_temperature("match:" + profile);
  roles_.writes(profile, "--json");
  EXPECT_NE(refusal().find("is --temperature and the output of --json"), std::string::npos);
}

}  // namespace
}  // namespace treble::cli
