// For tests: one encoder for a whole suite.
#pragma once

#include <gtest/gtest.h>

#include <memory>

#include "engine/golden_support.h"
#include "treble/sentence_encoder.h"

namespace treble::internal::test {

/// Loads the golden BERT, two threads, once for all tests of the suite.
class EncoderSuite : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    encoder_ = std::make_unique<SentenceEncoder>(
        SentenceEncoder::load({.model = source_path("tests/golden/bert/model").string(), .threads = 2}));
  }
  static void TearDownTestSuite() { encoder_.reset(); }

  static inline std::unique_ptr<SentenceEncoder> encoder_;
};

}  // namespace treble::internal::test
