
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "base/json_file.h"
#include "base/test_folder.h"
#include "treble/error.h"
#include "treble/evaluation.h"

namespace treble::internal {
namespace {

namespace fs = std::filesystem;

/// A folder with documents d1 and d2 and queries q1, q2 and q3.
class Beir : public ::testing::Test {
 protected:
  Beir() {
    write("corpus.jsonl", kCorpus);
    write("queries.jsonl", kQueries);
  }

  void write(const std::string& name, const std::string& content) const { test::write_all(folder_ / name, content); }
  RetrievalData read(const std::string& judgements) const {
    write("qrels/test.tsv", judgements);
    return read_beir(folder_.path(), "test");
  }
  std::string error_of(const std::string& judgements) const {
    try {
      read(judgements);
    } catch (const Error& error) {
      EXPECT_FALSE(error.file().empty()) << error.what();
      EXPECT_EQ(std::string(error.what()).find(error.file().string()), 0U) << error.what();
      return error.what();
    }
    return "no error";
  }
  void expect_error(const std::string& judgements, const std::string& words) const {
    const std::string message = error_of(judgements);
    EXPECT_NE(message.find(words), std::string::npos) << message;
  }

  static constexpr const char* kCorpus =
      "{\"_id\": \"d1\", \"title\": \"Ferry\", \"text\": \"leaves at nine\"}\n{\"_id\": \"d2\", \"text\": \"\"}\n";
  static constexpr const char* kQueries =
      "{\"_id\": \"q1\", \"text\": \"when\"}\n\n{\"_id\": \"q2\", \"text\": \"where\"}\n"
      "{\"_id\": \"q3\", \"text\": \"why\"}\n";
  test::TestFolder folder_;
};

TEST_F(Beir, ReadsTextsQueriesAndGrades) {
  const auto data = read("query-id\tcorpus-id\tscore\nq1\td1\t2\nq1\td2\t0\n");
  EXPECT_EQ(data.documents, (std::vector<std::string>{"Ferry leaves at nine", ""}));
  EXPECT_EQ(data.queries, (std::vector<std::string>{"when"}));
  ASSERT_EQ(data.relevant.size(), 1U);
  EXPECT_EQ(data.relevant[0], (Judgements{{0, 2.0}}));
  EXPECT_EQ(
      data.counts.repeated + data.counts.missing_documents + data.counts.queries_left_out + data.counts.shared_ids, 0);
}

TEST_F(Beir, LinesMayEndInALoneCarriageReturn) {
  std::string corpus = kCorpus;
  std::replace(corpus.begin(), corpus.end(), '\n', '\r');
  write("corpus.jsonl", corpus);
  write("queries.jsonl", "{\"_id\": \"q1\", \"text\": \"when\"}\r\r{\"_id\": \"q2\", \"text\": \"where\"}\r\n");
  const auto data = read("q1\td1\t2\nq2\td2\t1\n");
  EXPECT_EQ(data.documents, (std::vector<std::string>{"Ferry leaves at nine", ""}));
  EXPECT_EQ(data.queries, (std::vector<std::string>{"when", "where"}));
}

TEST_F(Beir, EveryFormOfJudgementsIsRead) {
  for (const char* form :
       {"q1\td1\t2\nq2\td2\t1\n", "query-id\tcorpus-id\tscore\r\nq1\td1\t2\r\nq2\td2\t1\r\n",
        "\xEF\xBB\xBFq1\td1\t2\nq2\td2\t1", "query-id\tcorpus-id\tscore\rq1\td1\t2\rq2\td2\t1\r",
        "q1 0 d1 2\nq2 0 d2 1\n", "q1\tQ0\td1\t2\nq2\tQ0\td2\t1\n", "q1  0 \t d1 2 \n\nq2 0 d2   1\n",
        "query iteration document grade\nq1 0 d1 2\nq2 0 d2 1\n"}) {
    const auto data = read(form);
    EXPECT_EQ(data.query_ids, (std::vector<std::string>{"q1", "q2"})) << form;
    EXPECT_EQ(data.relevant, (std::vector<Judgements>{{{0, 2.0}}, {{1, 1.0}}})) << form;
  }
}

TEST_F(Beir, OfSeveralGradesTheLastOneCounts) {
  const auto data = read("q1\td1\t1\nq2\td1\t3\nq1\td1\t2\nq1\td2\t1\nq1\td2\t0\n");
  EXPECT_EQ(data.relevant, (std::vector<Judgements>{{{0, 2.0}}, {{0, 3.0}}}));
  EXPECT_EQ(data.counts.repeated, 2);
}

TEST_F(Beir, DocumentsThatTheCorpusLacksAreNeverFound) {
  const auto data = read("q1\td9\t2\nq1\td1\t1\nq1\td8\t0\nq2\td9\t1\n");
  EXPECT_EQ(data.relevant, (std::vector<Judgements>{{{-1, 2.0}, {0, 1.0}}, {{-1, 1.0}}}));
  EXPECT_EQ(data.counts.missing_documents, 2);
  EXPECT_EQ(data.counts.missing_relevant, 2);
  EXPECT_EQ(data.counts.first_missing, "d9");
  // The best ranking there can be: 1 at the first place, of an ideal 2 + 1 / log2(3).
  const auto metrics = ranking_metrics(std::vector<std::int64_t>{0, 1}, data.relevant[0], 10);
  EXPECT_NEAR(metrics.ndcg, 1 / (2 + 1 / std::log2(3.0)), 1e-12);
  EXPECT_EQ(metrics.recall, 0.5);
  EXPECT_EQ(metrics.average_precision, 0.5);
  EXPECT_EQ(metrics.reciprocal_rank, 1);
  EXPECT_EQ(ranking_metrics(std::vector<std::int64_t>{0, 1}, data.relevant[1], 10).ndcg, 0);
  expect_error("q1\td9\t2\n", "test.tsv: none of the relevant documents is in the corpus (the first: \"d9\")");
}

TEST_F(Beir, QueriesWithNothingToFindStandApart) {
  const auto data = read("q1\td1\t0\nq2\td1\t1\nq3\td1\t-1\n");
  EXPECT_EQ(data.query_ids, (std::vector<std::string>{"q2"}));
  EXPECT_EQ(data.counts.queries_left_out, 2);
  expect_error("q1\td1\t0\nq2\td2\t0\n", "test.tsv: no query has a document of a grade above 0 (2 queries judged)");
  expect_error("", "test.tsv: no query has a document of a grade above 0 (0 queries judged)");
}

TEST_F(Beir, IdsThatQueriesAndDocumentsShareAreSeen) {
  write("queries.jsonl", "{\"_id\": \"d1\", \"text\": \"leaves at nine\"}\n{\"_id\": \"q2\", \"text\": \"where\"}\n");
  const auto data = read("d1\td2\t1\nq2\td1\t1\n");
  EXPECT_EQ(data.same_id, (std::vector<std::int64_t>{0, -1}));
  EXPECT_EQ(data.counts.shared_ids, 1);
  EXPECT_EQ(data.counts.shared_texts, 1);
}

TEST_F(Beir, IdsOfAnyLengthAreText) {
  const std::string digits = "123456789012345678901234567890";
  write("corpus.jsonl",
        fmt::format("{{\"meta\": {{\"_id\": 7.5}}, \"_id\": {}, \"text\": \"a\"}}\n{{\"_id\": {}1, \"text\": \"b\"}}\n"
                    "{{\"_id\": 17, \"text\": \"c\"}}\n{{\"_id\": 1.50, \"text\": \"d\"}}\n",
                    digits, digits));
  write("queries.jsonl",
        fmt::format("{{\"_id\": {}, \"text\": \"a\"}}\n{{\"_id\": \"17\", \"text\": \"c\"}}\n", digits));
  const auto data = read(fmt::format("{}\t{}1\t1\n17\t17\t1\n17\t1.50\t2\n", digits, digits));
  EXPECT_EQ(data.document_ids, (std::vector<std::string>{digits, digits + "1", "17", "1.50"}));
  EXPECT_EQ(data.query_ids, (std::vector<std::string>{digits, "17"}));
  EXPECT_EQ(data.relevant, (std::vector<Judgements>{{{1, 1.0}}, {{2, 1.0}, {3, 2.0}}}));
}

TEST_F(Beir, OneFileOfAKind) {
  write("qrels/test.qrels", "q1 0 d1 1\n");
  expect_error("q1\td1\t1\n", "test.qrels both exist");
  fs::remove(folder_ / "qrels" / "test.tsv");
  EXPECT_EQ(read_beir(folder_.path(), "test").relevant[0], (Judgements{{0, 1.0}}));
  fs::rename(folder_ / "qrels" / "test.qrels", folder_ / "qrels" / "train.tsv");
  try {
    read_beir(folder_.path(), "test");
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::not_found);
    EXPECT_NE(std::string(error.what()).find("qrels has train.tsv"), std::string::npos) << error.what();
  }
}

TEST_F(Beir, EveryLieOfJudgementsIsNamed) {
  expect_error("h\th\th\nq1 d1 1\n", "test.tsv:2: 3 columns");
  expect_error("q1\n", "test.tsv:1: 1 columns, where BEIR's three with tabs");
  expect_error("q1 0 d1 1\nq1\td1\t1\n", "test.tsv:2: 3 columns, and the lines before it have 4");
  expect_error("h\th\th\nq1\td1\tmany\n", "test.tsv:2: the grade \"many\" is not a number");
  expect_error("q1\td1\tmany\n", "test.tsv:1: the grade \"many\" is not a number");
  expect_error("q1\td1\tnan\n", "test.tsv:1: the grade \"nan\" is not a number");
  expect_error("q1\td1\t1\nq9\td1\t1\n", "test.tsv:2: query \"q9\" is not in queries.jsonl");
  expect_error(std::string("\xFF\xFEq\0", 4), "test.tsv: UTF-16");
}

TEST_F(Beir, EveryLieOfTextsIsNamed) {
  struct Case {
    const char* corpus;
    const char* words;
  };
  for (const Case& lie :
       {Case{"{", "corpus.jsonl:1: not valid JSON"},
        {"[]", "corpus.jsonl:1: not a JSON object, but array"},
        {"{\"_id\": \"a\", \"text\": \"\"}\n{\"_id\": \"a\", \"text\": \"\"}\n",
         "corpus.jsonl:2: the id \"a\" appears more than once"},
        {"{\"_id\": 7, \"text\": \"\"}\n{\"_id\": \"7\", \"text\": \"\"}\n",
         "corpus.jsonl:2: the id \"7\" appears more than once"},
        {"{\"_id\": \"d1\"}\n", "corpus.jsonl:1: \"text\" is missing"},
        {"{\"_id\": \"d1\", \"text\": 7}\n", "corpus.jsonl:1: \"text\" must be a string, and is number"},
        {"{\"_id\": null, \"text\": \"\"}\n", "corpus.jsonl:1: \"_id\" must be a string, and is null"},
        {"\n{\"_id\": \"d\", \"metadata\": {\"x\": NaN}, \"text\": \"\"}\n",
         "corpus.jsonl:2: NaN in column 32 is not JSON; write null"},
        {"{\"_id\": \"d\", \"x\": -Infinity, \"text\": \"\"}\n", "corpus.jsonl:1: Infinity in column"},
        {"{\"_id\": \"d\", \"x\": 1e999, \"text\": \"\"}\n", "corpus.jsonl:1: invalid JSON"},
        {"{\"_id\": \"d\xFF\", \"text\": \"\"}\n", "corpus.jsonl:1: not valid JSON"}}) {
    write("corpus.jsonl", lie.corpus);
    expect_error("q1\td1\t1\n", lie.words);
  }
}

// Reader and metrics together, against definitions written out in Python (tools/golden/naive_metrics.py).
TEST_F(Beir, RankingsOfUntidyJudgementsEqualTheNaiveTwin) {
  const auto cases = parse_json_file(std::string(TREBLE_SOURCE_DIR) + "/tests/golden/naive_metrics.json");
  for (const auto& c : cases.at("retrieval")) {
    const auto line = [](const std::string& id) { return fmt::format("{{\"_id\": \"{}\", \"text\": \"x\"}}\n", id); };
    std::string corpus;
    std::string queries;
    std::string judgements;
    for (const auto& id : c.at("documents")) corpus += line(id);
    for (const auto& id : c.at("queries")) queries += line(id);
    for (const auto& j : c.at("judgements")) {
      judgements +=
          fmt::format("{}\t{}\t{}\n", j.at(0).get<std::string>(), j.at(1).get<std::string>(), j.at(2).get<double>());
    }
    write("corpus.jsonl", corpus);
    write("queries.jsonl", queries);
    const auto data = read(judgements);
    EXPECT_EQ(data.counts.repeated, c.at("repeated").get<std::int64_t>());
    EXPECT_EQ(data.counts.queries_left_out, c.at("queries_apart").get<std::int64_t>());
    EXPECT_EQ(data.counts.missing_relevant, c.at("never_found").get<std::int64_t>());
    ASSERT_EQ(data.queries.size(), c.at("expected").size());
    for (std::size_t q = 0; q < data.queries.size(); ++q) {
      const std::string& id = data.query_ids[q];
      const auto scores = c.at("scores").at(std::stoul(id.substr(1))).get<std::vector<float>>();
      const auto metrics = ranking_metrics(rank_documents(scores, data.document_ids, 10), data.relevant[q], 10);
      const auto& expected = c.at("expected").at(id);
      EXPECT_NEAR(metrics.ndcg, expected.at("ndcg").get<double>(), 1e-12);
      EXPECT_NEAR(metrics.recall, expected.at("recall").get<double>(), 1e-12);
      EXPECT_NEAR(metrics.average_precision, expected.at("map").get<double>(), 1e-12);
      EXPECT_NEAR(metrics.reciprocal_rank, expected.at("mrr").get<double>(), 1e-12);
    }
  }
  for (const auto& c : cases.at("pairs")) {
    const auto scores = c.at("scores").get<std::vector<double>>();
    EXPECT_NEAR(spearman(scores, c.at("grades").get<std::vector<double>>()).value(), c.at("spearman").get<double>(),
                1e-12);
    EXPECT_NEAR(average_precision(scores, c.at("labels").get<std::vector<double>>()).value(),
                c.at("average_precision").get<double>(), 1e-12);
  }
}

}  // namespace
}  // namespace treble::internal
