// do_lower_case of sentence-transformers, on a cased tokenizer.
#include <gtest/gtest.h>

#include "tokenizer/tokenizer.h"

namespace treble::internal {
namespace {

std::string path(const char* family) {
  return std::string(TREBLE_SOURCE_DIR) + "/tests/golden/" + family + "/model/tokenizer.json";
}

TEST(Lowercase, ACasedTokenizerReadsLowerCase) {
  const auto cased = Tokenizer::from_file(path("roberta"));
  const auto lower = Tokenizer::from_file(path("roberta"), {.lowercase = true});
  EXPECT_NE(cased.encode("The FERRY Ä").ids, cased.encode("the ferry ä").ids);
  EXPECT_EQ(lower.encode("The FERRY Ä").ids, cased.encode("the ferry ä").ids);
}

TEST(Lowercase, AnUncasedTokenizerIsLeftAlone) {
  const auto plain = Tokenizer::from_file(path("bert"));
  const auto lower = Tokenizer::from_file(path("bert"), {.lowercase = true});
  EXPECT_EQ(lower.encode("The FERRY Ä").ids, plain.encode("The FERRY Ä").ids);
}

}  // namespace
}  // namespace treble::internal
