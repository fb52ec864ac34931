#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "input/csv_record.h"
#include "input/json_list.h"
#include "input/json_value.h"
#include "input/line_reader.h"
#include "input/text_fields.h"
#include "treble/error.h"

namespace treble::cli {
namespace {

class InputFile : public ::testing::Test {
 protected:
  void SetUp() override {
    path_ = std::filesystem::path(::testing::TempDir()) /
            ("treble_input_" + std::string(::testing::UnitTest::GetInstance()->current_test_info()->name()));
  }
  void TearDown() override { std::filesystem::remove(path_); }
  std::string write(const std::string& bytes) const {
    std::ofstream(path_, std::ios::binary) << bytes;
    return path_.string();
  }
  std::filesystem::path path_;
};

std::vector<std::string> fields_of(char delimiter, const std::vector<std::string>& lines) {
  CsvRecord record(delimiter);
  bool complete = false;
  for (const auto& line : lines) {
    EXPECT_FALSE(complete);
    complete = record.add_line(line);
  }
  EXPECT_TRUE(complete);
  EXPECT_FALSE(record.fault());
  return record.fields();
}

using Fields = std::vector<std::string>;

TEST(CsvRecord, IsRfc4180WithAnyDelimiter) {
  EXPECT_EQ(fields_of(',', {"a,\"b,\"\"c\"\"\",\n"}), (Fields{"a", "b,\"c\"", ""}));
  EXPECT_EQ(fields_of(';', {"a,b;\"c;\r\n", "d\"\r\n"}), (Fields{"a,b", "c;\r\nd"}));
  EXPECT_EQ(fields_of('\t', {"5\" disk\t\r"}), (Fields{"5\" disk", ""}));
  EXPECT_EQ(fields_of('|', {"\n"}), (Fields{""}));
}

TEST(JsonValue, KeepsNumbersAsWrittenAndTheLastOfEqualKeys) {
  const auto value = parse_json(R"({"a": 123456789012345678901234567890, "b": 1.50, "a": -0, "c": [1, {"a": 2}]})");
  ASSERT_EQ(value.members.size(), 4U);
  EXPECT_EQ(value.members.front().second.text, "123456789012345678901234567890");
  EXPECT_EQ(value.member("a")->text, "-0");
  EXPECT_EQ(value.member("b")->text, "1.50");
  EXPECT_EQ(value.member("c")->kind, JsonValue::Kind::list);
  EXPECT_EQ(value.member("d"), nullptr);
}

TEST(JsonValue, FaultsSayWhereAndWhy) {
  const auto fault_of = [](const std::string& json) {
    try {
      parse_json(json);
    } catch (const JsonFault& fault) {
      return fault;
    }
    return JsonFault(0, "no fault");
  };
  EXPECT_EQ(fault_of(R"({"a": [NaN]})").offset(), 7U);
  EXPECT_NE(std::string_view(fault_of(R"({"a": [NaN]})").what()).find("\"a\" is NaN"), std::string::npos);
  EXPECT_NE(std::string_view(fault_of(R"({"b": -Infinity})").what()).find("Infinity"), std::string::npos);
  EXPECT_NE(std::string_view(fault_of(std::string(300, '[')).what()).find("256 levels"), std::string::npos);
  EXPECT_STRNE(fault_of("{} {}").what(), "no fault");
}

TEST(FindField, TakesTheLiteralNameBeforeThePath) {
  const auto value = parse_json(R"({"a": {"b.c": "1", "b": {"c": "2", "d": "3"}}, "a.b": {"c": "4"}, "x": "y"})");
  EXPECT_EQ(find_field(value, "a.b.c")->text, "1");
  EXPECT_EQ(find_field(value, "a.b.d")->text, "3");
  EXPECT_EQ(find_field(value, "x")->text, "y");
  EXPECT_EQ(find_field(value, "x.y"), nullptr);
  EXPECT_EQ(find_field(value, "."), nullptr);
}

TEST_F(InputFile, JsonElementsAreFoundWhateverStandsAtTheBordersOfBuffers) {
  std::mt19937 generator(5);
  const std::vector<std::string> pieces = {R"("]")",        R"("\\")", R"("\"[{")", "[[],{}]",
                                           R"({"}": "{"})", "-1.5e3",  "true",      R"({"a": [1, "]"]})"};
  for (int round = 0; round < 20; ++round) {
    // The first element moves the others over the borders, which lie at multiples of 256 KiB.
    std::vector<std::string> wanted = {'"' + std::string((256U << 10) - generator() % 64, 'x') + '"'};
    for (int i = 0; i < 40; ++i) wanted.push_back(pieces[generator() % pieces.size()]);
    std::string file = " [";
    for (std::size_t i = 0; i < wanted.size(); ++i) file += (i == 0 ? "" : i % 2 == 0 ? "," : " ,\n ") + wanted[i];
    JsonElements elements(write(file + "\n]\n"));
    std::string element;
    for (const auto& one : wanted) {
      ASSERT_TRUE(elements.next(element));
      ASSERT_EQ(element, one);
    }
    EXPECT_FALSE(elements.next(element));
    EXPECT_TRUE(elements.in_list());
  }
}

TEST_F(InputFile, LinesEndAsTheFileDoes) {
  const auto lines_of = [&](const std::string& bytes, LineEnds ends) {
    LineReader reader(write(bytes), nullptr, ends);
    std::vector<std::string> lines;
    for (std::string line; reader.next(line);) lines.emplace_back(without_ending(line));
    return lines;
  };
  EXPECT_EQ(lines_of("a\r\nb\rc\n", LineEnds::newline), (Fields{"a", "b\rc"}));
  EXPECT_EQ(lines_of("a\r\nb\rc\n", LineEnds::universal), (Fields{"a", "b", "c"}));
  EXPECT_EQ(lines_of("a\r\rb", LineEnds::newline), (Fields{"a", "", "b"}));
  EXPECT_EQ(lines_of("\xEF\xBB\xBF"
                     "a\n\xEF\xBB\xBF"
                     "b\n",
                     LineEnds::newline),
            (Fields{"a", "b"}));
  EXPECT_EQ(lines_of("\xEF\xBB", LineEnds::newline), (Fields{"\xEF\xBB"}));
  const std::string border((256U << 10) - 1, 'x');
  EXPECT_EQ(lines_of(border + "\r\ny\r\n", LineEnds::universal), (Fields{border, "y"}));
}

}  // namespace
}  // namespace treble::cli
