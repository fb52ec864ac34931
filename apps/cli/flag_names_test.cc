#include "flag_names.h"

#include <gtest/gtest.h>

namespace treble::cli {
namespace {

TEST(FlagNames, FieldsBecomeFlagsWhereverTheyAre) {
  EXPECT_EQ(with_flags("compare by cosine (SweepOptions::similarity)"), "compare by cosine (--similarity)");
  EXPECT_EQ(with_flags("use EncodeOptions::prompt or EncodeOptions::prompt_name"), "use --prompt or --prompt-name");
  EXPECT_EQ(with_flags("VectorFileMode::replace, VectorFileMode::replace"), "--force, --force");
  EXPECT_EQ(with_flags("a.npy: no such field"), "a.npy: no such field");
}

}  // namespace
}  // namespace treble::cli
