#include "api/spelling.h"

#include <gtest/gtest.h>

namespace treble::server {
namespace {

TEST(EditDistance, CountsChangesAndSwaps) {
  EXPECT_EQ(edit_distance("", ""), 0U);
  EXPECT_EQ(edit_distance("", "abc"), 3U);
  EXPECT_EQ(edit_distance("temprature", "temperature"), 1U);
  EXPECT_EQ(edit_distance("gruop", "group"), 1U);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3U);
}

TEST(NearestName, IsAFewEditsAwayOrAPrefix) {
  const std::vector<std::string> known = {"none", "interpolate", "group", "group-long"};
  EXPECT_EQ(nearest_name("gruop", known), "group");
  EXPECT_EQ(nearest_name("inter", known), "interpolate");
  EXPECT_EQ(nearest_name("xyzzy", known), "");
  EXPECT_EQ(nearest_name("n", known), "");
}

}  // namespace
}  // namespace treble::server
