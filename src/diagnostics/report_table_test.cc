// The tables of an inspection fit a terminal of 100 columns, however many settings there are.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>
#include <string>
#include <vector>

#include "treble/collapse_report.h"

namespace treble::internal {
namespace {

constexpr std::int64_t kMaxColumns = 100;

/// Of every number a wide form: negative, and many texts.
CollapseReport report_of(std::size_t temperatures, std::size_t steps) {
  CollapseReport report;
  report.model = "all-MiniLM-L6-v2";
  report.texts = 12345678;
  report.truncated_texts = 1234567;
  report.max_length = 8192;
  report.buckets = {{1, 32, 7654321}, {1025, 8192, 4691357}};
  report.cut_lengths = {32, 8192};
  report.cut_texts = 200;
  report.neighbors = 10;
  report.num_temperatures = static_cast<std::int64_t>(temperatures);
  for (std::size_t s = 0; s < temperatures + steps; ++s) {
    report.settings.push_back(s == 0 ? "1" : s < temperatures ? fmt::format("0.{}5", s) : fmt::format("step{}", s));
    const double mean = -0.1 - 0.001 * static_cast<double>(s);
    report.bucket_cosine.push_back({{200, 19900, mean, mean - 0.1, mean - 0.01}, {200, 19900, mean, mean, mean}});
    report.cut_cosine.push_back(report.bucket_cosine.back());
    report.geometry.push_back({383.9 + static_cast<double>(s), 0.123, -3.987, {}});
    report.hubness.push_back({{200, 123.4, 1, 1}, {0, 0, 0, 0}});
    report.query_length_slope.push_back({10, 400, mean, mean - 0.1, mean + 0.05});
    if (s >= temperatures) continue;
    for (const std::int64_t length : report.cut_lengths) {
      report.attention.push_back({.setting = static_cast<std::int64_t>(s),
                                  .length = length,
                                  .texts = 4,
                                  .filter_rate = 12.34 + static_cast<double>(s),
                                  .bound = 0.18,
                                  .above_bound = 1});
      report.tokens.push_back(
          {.setting = static_cast<std::int64_t>(s), .layer = 6, .length = length, .hc_ratio = 0.99});
    }
  }
  return report;
}

/// In characters, as a terminal counts.
std::int64_t width(const std::string& line) {
  return std::count_if(line.begin(), line.end(),
                       [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; });
}

std::size_t times(const std::string& text, const std::string& words) {
  std::size_t count = 0;
  for (std::size_t at = text.find(words); at != std::string::npos; at = text.find(words, at + 1)) ++count;
  return count;
}

TEST(ReportTable, FitsAHundredColumnsForAnyNumberOfSettings) {
  for (std::size_t temperatures = 1; temperatures <= 7; ++temperatures) {
    for (const std::size_t steps : {0U, 1U, 4U}) {
      std::istringstream lines(to_table(report_of(temperatures, steps)));
      for (std::string line; std::getline(lines, line);) {
        EXPECT_LE(width(line), kMaxColumns) << line;
        EXPECT_TRUE(line.empty() || line.back() != ' ') << line;
      }
    }
  }
}

TEST(ReportTable, ShowsEverySettingOnceInEveryTable) {
  const std::string table = to_table(report_of(5, 2));
  for (const char* name : {"tau = 1", "tau = 0.15", "tau = 0.45"}) EXPECT_EQ(times(table, name), 5U) << name;
  for (const char* name : {"step5", "step6"}) EXPECT_EQ(times(table, name), 4U) << name << ": no layers to see";
  EXPECT_EQ(times(table, "tau = step"), 0U);
  for (int s = 0; s < 7; ++s) {
    EXPECT_EQ(times(table, fmt::format("-0.10{} [-0.20{}, -0.11{}]", s, s, s)), 2U) << "buckets and cuts";
    EXPECT_EQ(times(table, fmt::format(" {:.1f}", 383.9 + s)), 1U);
  }
  for (int s = 0; s < 5; ++s) EXPECT_EQ(times(table, fmt::format("{:.2f}/0.18", 12.34 + s)), 2U) << "both lengths";
}

/// Of every number a wide form: ratios of thousandths to thousands, shares of one, and classes by the thousand.
ClassReport classes_of(const CollapseReport& report) {
  ClassReport classes;
  classes.unlabelled_texts = 12;
  classes.unlabelled = {"texts.jsonl:3"};
  const std::vector<double> ratios = {1.23e-5, 0.0123, 1.234, 98.765, 1234.5, 1.2345e7};
  std::size_t next = 0;
  for (std::int64_t setting = 0; setting < report.num_temperatures; ++setting) {
    for (const std::int64_t layer : {0, 1, 12, -1}) {
      for (const std::int64_t bucket : {-1, 0, 1}) {
        const double ratio = ratios[next++ % ratios.size()];
        const Interval interval{ratio, 0.95 * ratio, 1.05 * ratio};
        const Interval share{1, 1, 1};
        classes.estimates.push_back({.setting = setting,
                                     .layer = layer,
                                     .bucket = bucket,
                                     .texts = 12345678,
                                     .classes = 1000,
                                     .nc1_traces = interval,
                                     .nc1 = interval,
                                     .nc2 = Interval{1.41, 1.4, 1.42},
                                     .accuracy = share,
                                     .probe_accuracy = share,
                                     .agreement = share});
      }
    }
  }
  return classes;
}

TEST(ReportTable, ClassesFitAndHaveARowForEveryPlace) {
  for (const std::size_t temperatures : {1U, 3U, 5U}) {
    CollapseReport report = report_of(temperatures, 1);
    report.classes = classes_of(report);
    const std::string table = to_table(report);
    std::istringstream lines(table);
    for (std::string line; std::getline(lines, line);) EXPECT_LE(width(line), kMaxColumns) << line;
    for (const char* place : {"\n  embeddings ", "\n  layer 1 ", "\n  layer 12 ", "\n  final vectors "}) {
      EXPECT_EQ(times(table, place), 4U * ((temperatures + 2) / 3)) << place;
    }
    EXPECT_NE(table.find("12 of 12345678 texts have no label"), std::string::npos);
    EXPECT_NE(table.find("texts.jsonl:3, …"), std::string::npos);
  }
}

TEST(ReportTable, CellsStandApartAndUnderTheirNames) {
  std::istringstream lines(to_table(report_of(3, 0)));
  std::string line;
  while (std::getline(lines, line) && line.find("tau = 0.15") == std::string::npos) {
  }
  const std::size_t second = line.find("tau = 0.15");
  std::getline(lines, line);
  // The range's dash is three bytes for one column.
  EXPECT_EQ(line.substr(second + 2, 6), "-0.101");
  EXPECT_EQ(line[second + 1], ' ');
}

TEST(ReportTable, LongNamesAreCut) {
  CollapseReport report = report_of(2, 0);
  report.settings[1] = "match:/a/folder/far/away/with/a/profile.json";
  std::istringstream lines(to_table(report));
  for (std::string line; std::getline(lines, line);) EXPECT_LE(width(line), kMaxColumns) << line;
  EXPECT_NE(to_table(report).find("tau = match:/a/folder/…"), std::string::npos);
}

}  // namespace
}  // namespace treble::internal
