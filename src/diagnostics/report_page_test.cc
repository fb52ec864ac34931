// The page of reports: what may stand in it. Whether it draws is a matter of browsers.
#include "treble/report_page.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "treble/error.h"

namespace treble::internal {
namespace {

std::string page_of(const nlohmann::json& texts) {
  return report_page(nlohmann::json{{"kind", "inspect"}, {"map", {{"texts", texts}}}}.dump());
}

/// The report as the page's script will read it.
nlohmann::json embedded(const std::string& page) {
  const std::string begin = R"(<script type="application/json" id="report">)";
  const std::size_t from = page.find(begin) + begin.size();
  return nlohmann::json::parse(page.substr(from, page.find("</script>", from) - from));
}

TEST(ReportPage, HostileTextsStayTexts) {
  const std::string plain = page_of({{{"text", "harmless"}}});
  for (const std::string text : {"</script><script>alert(1)</script>", "<!--<script>", "<img src=x onerror=alert(1)>",
                                 "\xE2\x80\xA8\xE2\x80\xA9", "$&$'@REPORT_JSON@", "\"}]}<"}) {
    const std::string page = page_of({{{"text", text}}});
    EXPECT_EQ(embedded(page)["map"]["texts"][0]["text"], text);
    const auto count = [](const std::string& in, char c) { return std::count(in.begin(), in.end(), c); };
    EXPECT_EQ(count(page, '<'), count(plain, '<')) << text;
    EXPECT_EQ(page.find("\xE2\x80\xA8"), std::string::npos);
  }
}

TEST(ReportPage, FetchesNothing) {
  const std::string page = page_of(nlohmann::json::array());
  EXPECT_NE(page.find("Content-Security-Policy"), std::string::npos);
  EXPECT_NE(page.find("default-src 'none'"), std::string::npos);
  for (const char* word : {"src=\"http", "href=\"http", "src=\"/", "@import", "url(http", "url(/", "fetch("}) {
    EXPECT_EQ(page.find(word), std::string::npos) << word;
  }
}

TEST(ReportPage, StaysSmall) {
  nlohmann::json texts = nlohmann::json::array();
  for (int i = 0; i < 2000; ++i) {
    nlohmann::json neighbors = nlohmann::json::array();
    for (int n = 0; n < 10; ++n) neighbors.push_back({{"i", (i * 7 + n * 131) % 2000}, {"cosine", 0.123456 + n}});
    texts.push_back({{"id", std::to_string(i)},
                     {"tokens", i},
                     {"text", std::string(240, 'x')},
                     {"at", {{0.123456, -0.654321}, {0.2, 0.3}}},
                     {"neighbors", {neighbors, neighbors}}});
  }
  EXPECT_LT(page_of(texts).size(), std::size_t{3} << 20);
}

TEST(ReportPage, RefusesOtherThings) {
  for (const char* text : {"", "[]", "{}", R"({"kind": "embed"})", R"({"kind": 3})", "{\"kind\": \"inspect\""}) {
    EXPECT_THROW(report_page(text), Error) << text;
  }
}

TEST(ReportPage, OfManyHeadsTheWorstOfEachLayerAreLeft) {
  nlohmann::json heads = nlohmann::json::array();
  nlohmann::json layers = nlohmann::json::array();
  for (int setting = 0; setting < 2; ++setting) {
    for (int layer = 0; layer < 10; ++layer) {
      for (int head = 0; head < 10; ++head) {
        heads.push_back({{"setting", setting}, {"layer", layer}, {"head", head}, {"variance", {0.5}}});
      }
      layers.push_back({{"setting", setting}, {"layer", layer}, {"worst_head", 3 + setting}});
    }
  }
  nlohmann::json report = {{"kind", "inspect"}, {"states", {{"heads", heads}, {"layers", layers}}}};
  const nlohmann::json left = embedded(report_page(report.dump()))["states"]["heads"];
  EXPECT_EQ(left.size(), 40U) << "of each layer the worst under either setting, under both";
  for (const auto& head : left) EXPECT_TRUE(head["head"] == 3 || head["head"] == 4);
  report["states"]["heads"] = nlohmann::json(heads.begin(), heads.begin() + 20);
  EXPECT_EQ(embedded(report_page(report.dump()))["states"]["heads"].size(), 20U) << "few heads stay all";
  report["states"]["heads"] = 3;
  EXPECT_EQ(embedded(report_page(report.dump()))["states"]["heads"], 3);
}

}  // namespace
}  // namespace treble::internal
