#include "read_texts.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <set>

#include "treble/error.h"

namespace treble::cli {
namespace {

class ReadTexts : public ::testing::Test {
 protected:
  ReadTexts() {
    std::string pattern = (std::filesystem::temp_directory_path() / "treble_texts_XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
  }
  ~ReadTexts() override { std::filesystem::remove_all(folder_); }

  std::string lines(int count) const {
    std::ofstream file(folder_ / "texts.txt");
    for (int i = 0; i < count; ++i) file << i << '\n';
    return (folder_ / "texts.txt").string();
  }

  std::filesystem::path folder_;
};

TEST_F(ReadTexts, ASampleIsOfTheWholeInputAndDependsOnTheSeed) {
  const std::string path = lines(1000);
  const auto sample = read_sample(path, 50, 1);
  EXPECT_EQ(std::set<std::string>(sample.begin(), sample.end()).size(), 50U);
  EXPECT_EQ(sample, read_sample(path, 50, 1));
  EXPECT_NE(sample, read_sample(path, 50, 2));
  int late = 0;
  for (const std::string& text : sample) late += std::stoi(text) >= 500 ? 1 : 0;
  EXPECT_GT(late, 10);
  EXPECT_LT(late, 40);
}

TEST_F(ReadTexts, FewTextsAreAllOfThem) {
  EXPECT_EQ(read_sample(lines(3), 50, 1), (std::vector<std::string>{"0", "1", "2"}));
  EXPECT_EQ(read_queries(lines(2)), (std::vector<std::string>{"0", "1"}));
}

TEST_F(ReadTexts, ComparingNeedsTwo) {
  const InputPlan one = plan_inputs({lines(1)});
  EXPECT_THROW(read_all_texts(one, {}), Error);
  const InputPlan two = plan_inputs({lines(2)});
  const AllTexts texts = read_all_texts(two, {});
  EXPECT_EQ(texts.views.back(), "1");
}

}  // namespace
}  // namespace treble::cli
