#include "operations/operations.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <regex>
#include <set>
#include <sstream>

#include "http/canned_server.h"
#include "operations/health.h"

namespace treble::server {
namespace {

namespace fs = std::filesystem;

const fs::path kRoot = TREBLE_SOURCE_DIR;

/// A served model, all that watches it, and connections, as the server puts them together.
struct WatchedServer {
  SentenceEncoder encoder =
      SentenceEncoder::load({.model = (kRoot / "tests/golden/bert/model").string(), .threads = 1});
  RequestQueue queue{encoder};
  SelfTest self_test{{make_health_probe("mini", encoder, queue, {})}};
  Operations operations;

  explicit WatchedServer(const OperationsOptions& options)
      : operations(options, {{{"POST", "/embed"}}, {"mini"}, {"overloaded"}}) {
    operations.metrics().add_source([this] { return queue_samples("mini", queue.statistics()); });
    operations.metrics().add_source([this] { return self_test.samples(); });
    operations.metrics().add_source([] { return http_samples({}); });
  }

  /// The families of the metrics.
  std::set<std::string> names() {
    std::set<std::string> result;
    std::istringstream text(operations.metrics().text());
    for (std::string line; std::getline(text, line);) {
      if (line.starts_with("# TYPE ")) result.insert(line.substr(7, line.rfind(' ') - 7));
    }
    return result;
  }
};

std::string read_text(const fs::path& path) {
  std::ifstream file(path);
  EXPECT_TRUE(file) << path;
  return {std::istreambuf_iterator<char>(file), {}};
}

/// Names of metrics in a text, without what histograms add to them.
std::set<std::string> names_in(const std::string& text) {
  static const std::regex name(R"(\b(te|treble|process)_[a-z_]*[a-z])");
  std::set<std::string> result;
  for (std::sregex_iterator match(text.begin(), text.end(), name), end; match != end; ++match)
    result.insert(match->str());
  return result;
}

/// A histogram's own name for the names of its series.
std::string family_of(const std::string& name, const std::set<std::string>& families) {
  if (families.contains(name)) return name;
  for (const char* suffix : {"_bucket", "_sum", "_count"}) {
    if (name.ends_with(suffix)) return name.substr(0, name.size() - std::string(suffix).size());
  }
  return name;
}

TEST(Operations, DeployedFilesNameMetricsThatExist) {
  WatchedServer server({.log = {.level = LogLevel::error}});
  const auto families = server.names();
  std::set<std::string> seen;
  for (const auto& entry : fs::recursive_directory_iterator(kRoot / "deploy")) {
    if (!entry.is_regular_file()) continue;
    for (const auto& name : names_in(read_text(entry.path()))) {
      EXPECT_TRUE(families.contains(family_of(name, families))) << name << " of " << entry.path() << " is no metric";
      seen.insert(name);
    }
  }
  EXPECT_GE(seen.size(), 20U) << "the dashboard is not among the files";
}

TEST(Operations, TheDashboardParsesAndEveryPanelAsksSomething) {
  const auto board = nlohmann::json::parse(read_text(kRoot / "deploy/grafana/dashboards/treble.json"));
  std::set<int> ids;
  for (const auto& panel : board.at("panels")) {
    EXPECT_TRUE(ids.insert(panel.at("id").get<int>()).second) << panel.at("title");
    EXPECT_FALSE(panel.at("description").get<std::string>().empty()) << panel.at("title");
    ASSERT_FALSE(panel.at("targets").empty()) << panel.at("title");
    for (const auto& target : panel.at("targets")) {
      EXPECT_FALSE(names_in(target.at("expr").get<std::string>()).empty()) << panel.at("title");
    }
  }
}

TEST(Operations, TheDocumentationListsEveryMetric) {
  WatchedServer server({.log = {.level = LogLevel::error}});
  std::set<std::string> documented;
  std::istringstream text(read_text(kRoot / "docs/operate.md"));
  for (std::string line; std::getline(text, line);) {  // Rows of the table: "| `name` … |".
    if (!line.starts_with("| `")) continue;
    for (const auto& name : names_in(line.substr(0, line.find(" | ", 2)))) documented.insert(name);
  }
  EXPECT_EQ(documented, server.names());
}

TEST(Operations, WatchesARequestEverywhere) {
  CannedServer collector([](auto) { return canned_answer(200); });
  WatchedServer server({.log = {.level = LogLevel::error},
                        .tracing = TracerOptions{.endpoint = collector.url(), .delay = std::chrono::milliseconds(5)}});
  RequestRecord record;
  record.method = "POST";
  record.route = "/embed";
  record.model = "mini";
  record.status = 200;
  record.tokens = 5;
  server.operations.observe(record);
  EXPECT_NE(server.operations.metrics().text().find("treble_tokens_total{model=\"mini\"} 5"), std::string::npos);
  const auto request = collector.requests(1).at(0);
  const auto message = nlohmann::json::parse(request.substr(request.find("\r\n\r\n") + 4));
  const auto span = message["resourceSpans"][0]["scopeSpans"][0]["spans"][0];
  EXPECT_EQ(span["traceId"].get<std::string>().size(), 32U);  // Begun here, as the client sent none.
}

}  // namespace
}  // namespace treble::server
