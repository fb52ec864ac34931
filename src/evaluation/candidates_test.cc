#include <gtest/gtest.h>

#include <string>

#include "base/test_folder.h"
#include "treble/error.h"
#include "treble/evaluation.h"

namespace treble::internal {
namespace {

class Candidates : public ::testing::Test {
 protected:
  Candidates() {
    data_.document_ids = {"a", "b", "c", "d 4"};
    data_.documents = {"A", "B", "C", "D"};
    data_.query_ids = {"q1", "q2", "q3"};
    data_.queries = {"1", "2", "3"};
    data_.relevant = {{{0, 1.0}}, {{3, 2.0}}, {{1, 1.0}}};
  }
  void read(const std::string& run, std::int64_t depth = 100) {
    test::write_all(folder_ / "first.trec", run);
    read_candidates(data_, folder_ / "first.trec", depth);
  }
  void expect_error(const std::string& run, ErrorCode code, const std::string& words) {
    try {
      read(run);
      ADD_FAILURE() << run << " was read";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), code);
      EXPECT_NE(std::string(error.what()).find(words), std::string::npos) << error.what();
    }
  }

  RetrievalData data_;
  test::TestFolder folder_;
};

/// By score, whatever the ranks say; among equal ones the greater id first; others' queries are passed over.
TEST_F(Candidates, AreTheFirstOfTheRunByScore) {
  read("q1 Q0 a 1 0.5 bm25\nq1\tQ0\tb\t2\t2e0\tbm25\n\nq1 Q0 c 3 0.5 bm25\nother Q0 x 1 9 bm25\nq3 0 c 1 -1 bm25\n");
  EXPECT_EQ(data_.candidates, (std::vector<std::vector<std::int64_t>>{{1, 2, 0}, {}, {2}}));
  EXPECT_TRUE(data_.first_stage);
  EXPECT_EQ(data_.counts.without_candidates, 1);
  EXPECT_EQ(data_.counts.without_relevant_candidate, 1);
  read("q1 Q0 a 1 0.5 bm25\nq1 Q0 b 2 2 bm25\nq1 Q0 c 3 0.5 bm25\n", 2);
  EXPECT_EQ(data_.candidates[0], (std::vector<std::int64_t>{1, 2}));
  EXPECT_EQ(data_.counts.without_candidates, 2);
}

TEST_F(Candidates, NameTheLineOfWhatIsNoRun) {
  expect_error("q1 Q0 a 1 0.5\n", ErrorCode::invalid_file, "first.trec:1: 5 columns");
  expect_error("q1 Q0 a 1 0.5 x\nq1 Q0 z 2 0.4 x\n", ErrorCode::invalid_file, "first.trec:2: document \"z\"");
  expect_error("q1 Q0 a 1 high x\n", ErrorCode::invalid_file, "the score \"high\"");
  expect_error("q1 Q0 a 1 nan x\n", ErrorCode::invalid_file, "the score \"nan\"");
  expect_error("q1 Q0 a 1 1 x\nq1 Q0 a 2 0 x\n", ErrorCode::invalid_file, "twice");
  expect_error("q9 Q0 a 1 1 x\n", ErrorCode::invalid_file, "none of the 3 queries");
  EXPECT_THROW(read("q1 Q0 a 1 1 x\n", 0), Error);
}

}  // namespace
}  // namespace treble::internal
