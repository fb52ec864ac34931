#include "treble/temperature.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "treble/error.h"

namespace treble {
namespace {

TEST(Temperature, DefaultIsTheUntouchedModel) {
  EXPECT_TRUE(Temperature().is_identity());
  EXPECT_EQ(Temperature().logit_scale(), 1.0);
  EXPECT_TRUE(Temperature::parse("1").is_identity());
  EXPECT_TRUE(Temperature::parse("1.00").is_identity());
}

TEST(Temperature, ScaleIsTheInverse) {
  EXPECT_DOUBLE_EQ(Temperature::constant(0.8).logit_scale(), 1.25);
  EXPECT_DOUBLE_EQ(Temperature::parse("1.2").logit_scale(), 1 / 1.2);
}

TEST(Temperature, WrittenFormReadsBack) {
  for (const char* text : {"0.8", "1", "1.2", "0.3333333333333333", "1e-05"}) {
    EXPECT_EQ(Temperature::parse(Temperature::parse(text).to_string()).logit_scale(),
              Temperature::parse(text).logit_scale());
    EXPECT_EQ(Temperature::parse(text).to_string(), text);
  }
}

TEST(Temperature, RefusesWhatIsNoTemperature) {
  for (const char* text : {"", "0", "-1", "nan", "inf", "-inf", "0.8x", " 0.8", "warm", "1e-60", "1e60", "1e999"}) {
    EXPECT_THROW(Temperature::parse(text), Error) << text;
  }
  EXPECT_THROW(Temperature::constant(0), Error);
  EXPECT_THROW(Temperature::constant(std::numeric_limits<double>::quiet_NaN()), Error);
}

}  // namespace
}  // namespace treble
