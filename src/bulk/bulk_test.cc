#include "treble/bulk.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "base/test_folder.h"
#include "engine/suite_encoder.h"
#include "treble/error.h"

namespace treble::internal {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kBatch = 3;

/// Numbered texts of a list, counted as they are asked for.
class ListSource : public TextSource {
 public:
  explicit ListSource(std::vector<std::string> texts) : texts_(std::move(texts)) {}

  bool next(TextRecord& record) override {
    const std::size_t index = given_;
    if (index == texts_.size()) return false;
    if (index == fail_at) throw Error(ErrorCode::invalid_file, "list:" + std::to_string(index) + ": damaged");
    record.text = texts_[index];
    record.id = "\"t" + std::to_string(index) + "\"";
    record.line = index + 1;
    ++given_;
    return true;
  }
  std::string place(const TextRecord& record) const override { return "list:" + std::to_string(record.line); }
  std::size_t given() const { return given_; }

  std::size_t fail_at = static_cast<std::size_t>(-1);

 private:
  std::vector<std::string> texts_;
  std::atomic<std::size_t> given_ = 0;
};

class Bulk : public test::EncoderSuite {
 protected:
  static std::vector<std::string> texts(std::size_t count) {
    std::vector<std::string> result;
    for (std::size_t i = 0; i < count; ++i) result.push_back("letter " + std::to_string(i * 7) + " from the harbour");
    return result;
  }
  static BulkOptions options() {
    BulkOptions result;
    result.batch_texts = kBatch;
    return result;
  }
  /// Runs into `path` and requests a stop after the first batch.
  BulkResult stop_early(const fs::path& path, const std::vector<std::string>& all) const {
    std::stop_source stop;
    BulkOptions stoppable = options();
    stoppable.stop = stop.get_token();
    stoppable.progress = [&stop](const Progress& progress) {
      EXPECT_EQ(progress.stage, "embedding");
      if (progress.done > 0) stop.request_stop();
    };
    ListSource source(all);
    return embed_to_file(*encoder_, source, path, VectorFileMode::create, stoppable);
  }
  /// The message of the error that resuming `path` ends with.
  std::string refusal(const fs::path& path, TextSource& source, const BulkOptions& given, ErrorCode code) {
    try {
      embed_to_file(*encoder_, source, path, VectorFileMode::resume, given);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), code) << error.what();
      source_ = {.text_index = error.text_index(), .file = error.file()};
      return error.what();
    }
    return "no error";
  }

  test::TestFolder folder_;
  ErrorSource source_;  ///< what the last refusal was about
};

TEST_F(Bulk, RowsAreTheVectorsOfEncode) {
  const auto all = texts(8);
  ListSource source(all);
  const fs::path path = folder_ / "a.npy";
  const BulkResult result = embed_to_file(*encoder_, source, path, VectorFileMode::create, options());
  EXPECT_EQ(result.texts(), 8);
  EXPECT_TRUE(result.total.complete);
  EXPECT_FALSE(result.stopped);
  const std::vector<std::string_view> views(all.begin(), all.end());
  const Embeddings expected = encoder_->encode(views);
  const std::string bytes = test::read_all(path);
  ASSERT_EQ(bytes.size(), 128 + expected.values.size() * sizeof(float));
  std::vector<float> rows(expected.values.size());
  std::memcpy(rows.data(), bytes.data() + 128, rows.size() * sizeof(float));
  for (std::size_t i = 0; i < rows.size(); ++i) ASSERT_NEAR(rows[i], expected.values[i], 1e-6) << i;
  const auto metadata = nlohmann::json::parse(test::read_all(vector_sidecar(path)));
  EXPECT_EQ(metadata.at("count"), 8);
  EXPECT_EQ(metadata.at("complete"), true);
  EXPECT_EQ(metadata.at("dim"), expected.dim);
}

TEST_F(Bulk, AStoppedRunResumesToTheSameBytes) {
  const auto all = texts(11);
  for (const std::string name : {"a.npy", "a.jsonl"}) {
    const fs::path stopped = folder_ / name;
    const BulkResult first = stop_early(stopped, all);
    EXPECT_TRUE(first.stopped);
    EXPECT_EQ(first.texts(), kBatch);
    ListSource rest(all);
    const BulkResult second = embed_to_file(*encoder_, rest, stopped, VectorFileMode::resume, options());
    EXPECT_EQ(second.before.count, kBatch);
    EXPECT_EQ(second.texts(), 11 - kBatch);
    ListSource source(all);
    const fs::path whole = folder_ / ("whole_" + name);
    embed_to_file(*encoder_, source, whole, VectorFileMode::create, options());
    std::string left = test::read_all(stopped);
    std::string right = test::read_all(whole);
    if (name == "a.jsonl") {  // "created" differs
      left.erase(0, left.find('\n'));
      right.erase(0, right.find('\n'));
    }
    EXPECT_EQ(left, right) << name;
  }
}

TEST_F(Bulk, AnotherProvenanceIsRefusedByName) {
  const fs::path path = folder_ / "a.npy";
  stop_early(path, texts(9));
  const std::string before = test::read_all(path);
  BulkOptions tempered = options();
  tempered.encode.temperature = Temperature::parse("0.8");
  ListSource source(texts(9));
  const std::string message = refusal(path, source, tempered, ErrorCode::invalid_argument);
  EXPECT_NE(message.find("temperature_canonical = \"1\", and this run has \"0.8\""), std::string::npos) << message;
  EXPECT_NE(message.find("VectorFileMode::replace"), std::string::npos) << message;
  EXPECT_EQ(source_.file, path);
  EXPECT_EQ(test::read_all(path), before);
  ListSource other({"another text", "and another", "and one more", "x"});
  EXPECT_NE(refusal(path, other, options(), ErrorCode::invalid_argument).find("does not begin with the 3 texts"),
            std::string::npos);
  ListSource fewer({"one"});
  EXPECT_NE(refusal(path, fewer, options(), ErrorCode::invalid_argument).find("not the same input"), std::string::npos);
  EXPECT_EQ(test::read_all(path), before);
}

TEST_F(Bulk, AFailureKeepsTheRowsBeforeIt) {
  const fs::path path = folder_ / "a.jsonl";
  ListSource source(texts(20));
  source.fail_at = 7;
  const std::string message = refusal(path, source, options(), ErrorCode::invalid_file);
  EXPECT_NE(message.find("list:7: damaged"), std::string::npos) << message;
  EXPECT_NE(message.find("has the 6 rows before that"), std::string::npos) << message;
  auto all = texts(20);
  all[10] = "a text that is far longer than the few tokens that this run may read, and so it is an error";
  BulkOptions strict = options();
  strict.encode.truncation = Truncation::error;
  strict.encode.max_length = 24;
  const fs::path other = folder_ / "b.jsonl";
  ListSource too_long(all);
  const std::string place = refusal(other, too_long, strict, ErrorCode::text_too_long);
  EXPECT_EQ(place.find("list:11: text 10: "), 0U) << place;
  EXPECT_NE(place.find("has the 9 rows before that"), std::string::npos) << place;
  EXPECT_EQ(source_.text_index, 10);
}

TEST_F(Bulk, OutputsThatCannotBeResumedAreNamed) {
  const fs::path npy = folder_ / "a.npy";
  const fs::path jsonl = folder_ / "a.jsonl";
  for (const fs::path& path : {npy, jsonl}) stop_early(path, texts(9));
  ListSource source(texts(9));
  fs::resize_file(npy, 200);
  EXPECT_NE(refusal(npy, source, options(), ErrorCode::invalid_file).find("has 200 bytes"), std::string::npos);
  EXPECT_EQ(source_.file, npy);
  std::ofstream(vector_sidecar(npy)) << "{}";
  EXPECT_NE(refusal(npy, source, options(), ErrorCode::invalid_file).find("is not what treble wrote"),
            std::string::npos);
  EXPECT_EQ(source_.file, vector_sidecar(npy));
  fs::remove(vector_sidecar(npy));
  EXPECT_NE(refusal(npy, source, options(), ErrorCode::not_found).find("is missing"), std::string::npos);
  EXPECT_EQ(source_.file, vector_sidecar(npy));
  std::ofstream(jsonl) << "{}\n";
  EXPECT_NE(refusal(jsonl, source, options(), ErrorCode::invalid_file).find("is not a header"), std::string::npos);
  EXPECT_EQ(source_.file, jsonl);
  const fs::path folder = folder_ / "folder.npy";
  fs::create_directory(folder);
  EXPECT_NE(refusal(folder, source, options(), ErrorCode::invalid_argument).find("a folder"), std::string::npos);
  EXPECT_EQ(source_.file, folder);
}

TEST_F(Bulk, ReadsNoFurtherAheadThanABatch) {
  ListSource source(texts(60));
  std::int64_t furthest = 0;
  BulkOptions watched = options();
  watched.progress = [&](const Progress& progress) {
    furthest = std::max(furthest, static_cast<std::int64_t>(source.given()) - progress.done);
  };
  embed_to_file(*encoder_, source, folder_ / "a.npy", VectorFileMode::create, watched);
  // One batch waits to be taken, one is being read.
  EXPECT_LE(furthest, 3 * kBatch);
}

TEST_F(Bulk, ABatchOfTextsInPiecesIsMeasuredByTheirWholeLength) {
  std::string text;
  while (text.size() < 20'000) text += "letter from the harbour ";
  // The limit grows with the threads.
  const std::vector<std::string> all(static_cast<std::size_t>(16 * encoder_->info().threads), text);
  const auto batches = [&](bool pieces) {
    BulkOptions given;
    if (pieces) given.chunks = ChunkOptions::parse("chunk-mean:32");
    std::set<std::int64_t> ends;
    given.progress = [&](const Progress& progress) { ends.insert(progress.done); };
    ListSource source(all);
    embed_to_file(*encoder_, source, folder_ / (pieces ? "pieces.npy" : "cut.npy"), VectorFileMode::create, given);
    return ends.size() - 1;  // without the 0 of the beginning
  };
  // Of what is cut a few tokens count; a run over whole texts may be stopped after some of them.
  EXPECT_EQ(batches(false), 1U);
  EXPECT_GT(batches(true), 1U);
}

TEST_F(Bulk, CallbacksAreSourcesAndSinks) {
  int count = 0;
  const auto source = make_text_source([&count](TextRecord& record) {
    record = {.text = "text " + std::to_string(count), .id = std::to_string(count)};
    return count++ < 5;
  });
  std::string written;
  const BulkJob job(*encoder_, options());
  const auto sink = make_jsonl_sink([&written](std::string_view text) { written += text; }, job, R"(["five texts"])");
  BulkResult result;
  job.run(*source, *sink, result);
  std::istringstream lines(written);
  std::string line;
  std::getline(lines, line);
  const auto header = nlohmann::json::parse(line).at("treble");
  EXPECT_EQ(header.at("inputs"), nlohmann::json({"five texts"}));
  EXPECT_EQ(header.at("dim"), job.dim());
  EXPECT_EQ(header.at("post"), nullptr);
  for (int row = 0; row < 5; ++row) {
    ASSERT_TRUE(std::getline(lines, line));
    EXPECT_EQ(nlohmann::json::parse(line).at("id"), row);
  }
  EXPECT_FALSE(std::getline(lines, line));
}

TEST_F(Bulk, NothingIsOverwrittenUnlessAsked) {
  const fs::path path = folder_ / "a.npy";
  ListSource first(texts(4));
  embed_to_file(*encoder_, first, path, VectorFileMode::create, options());
  const std::string before = test::read_all(path);
  EXPECT_THROW(VectorFile(path, VectorFileMode::create), Error);
  {
    const VectorFile file(path, VectorFileMode::replace);
    EXPECT_TRUE(file.replaces());
    EXPECT_EQ(test::read_all(path), before);
  }
  EXPECT_EQ(test::read_all(path), before);
  EXPECT_FALSE(fs::exists(path.string() + ".partial"));
  ListSource fewer(texts(2));
  embed_to_file(*encoder_, fewer, path, VectorFileMode::replace, options());
  EXPECT_LT(test::read_all(path).size(), before.size());
}

TEST_F(Bulk, AConverterMakesTheOutputOfAllRows) {
  const fs::path path = folder_ / "rows.parquet";
  const fs::path partial = path.string() + ".partial";
  int writes = 0;
  const VectorConverter copies = {
      .write =
          [&writes](const fs::path& rows, const fs::path& output) {
            ++writes;
            fs::copy_file(rows, output, fs::copy_options::overwrite_existing);
          },
      .read = [](const fs::path& output, const fs::path& rows) { fs::copy_file(output, rows); }};
  const BulkJob job(*encoder_, options());
  const auto embed = [&](std::size_t count, VectorFileMode mode) {
    ListSource source(texts(count));
    VectorFile file(path, mode, copies);
    BulkResult result;
    file.embed(job, source, "null", result);
    EXPECT_EQ(file.path(), path);
    EXPECT_FALSE(fs::exists(partial));
    return result.texts();
  };
  EXPECT_EQ(embed(6, VectorFileMode::create), 6);
  EXPECT_THROW(VectorFile(path, VectorFileMode::create, copies), Error);
  EXPECT_EQ(embed(6, VectorFileMode::resume), 0);
  EXPECT_EQ(writes, 1) << "there was nothing to write";
  EXPECT_EQ(embed(9, VectorFileMode::resume), 3);
  const std::string resumed = test::read_all(path);
  EXPECT_EQ(embed(9, VectorFileMode::replace), 9);
  const std::string at_once = test::read_all(path);
  EXPECT_EQ(resumed.substr(resumed.find('\n')), at_once.substr(at_once.find('\n')));
  EXPECT_EQ(writes, 3);
}

TEST_F(Bulk, RowsAreOfThePrecisionAskedFor) {
  const auto all = texts(8);
  const std::vector<std::string_view> views(all.begin(), all.end());
  const Embeddings vectors = encoder_->encode(views);
  BulkOptions narrow = options();
  narrow.precision = Precision::int8;
  EXPECT_THROW(BulkJob(*encoder_, narrow), Error) << "there are no ranges";
  VectorRanges& ranges = narrow.ranges.emplace();
  ranges.min.assign(static_cast<std::size_t>(vectors.dim), -0.01F);
  ranges.max.assign(static_cast<std::size_t>(vectors.dim), 0.01F);
  ListSource source(all);
  const fs::path path = folder_ / "a.npy";
  const BulkResult result = embed_to_file(*encoder_, source, path, VectorFileMode::create, narrow);
  EXPECT_EQ(result.clipped_values, ranges.count_outside(vectors.values));
  EXPECT_GT(result.clipped_values, 0);
  const std::string bytes = test::read_all(path);
  ASSERT_EQ(bytes.size(), 128 + vectors.values.size());
  EXPECT_NE(bytes.find("'descr': '|i1'"), std::string::npos);
  const auto expected = quantize(vectors.values, vectors.dim, Precision::int8, ranges);
  int different = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    // A value within rounding of a step may fall to either side of it.
    different += static_cast<std::byte>(bytes[128 + i]) == expected[i] ? 0 : 1;
  }
  EXPECT_LE(different, 2);
  const auto metadata = nlohmann::json::parse(test::read_all(vector_sidecar(path)));
  EXPECT_EQ(metadata.at("precision"), "int8");
  EXPECT_EQ(metadata.at("ranges").at("min").at(0), -0.01);
  ranges.vectors = R"({"model":{"name":"another","weights_sha256":"0"}})";
  EXPECT_THROW(BulkJob(*encoder_, narrow), Error) << "they are of another model's vectors";
}

TEST_F(Bulk, OptionsThatMakeNoSenseAreErrors) {
  EXPECT_THROW(vector_format("rows.csv"), Error);
  EXPECT_EQ(vector_format("rows.parquet"), VectorFormat::parquet);
  EXPECT_THROW(VectorFile(folder_ / "rows.parquet", VectorFileMode::create), Error) << "there is no converter";
  EXPECT_EQ(vector_format("rows.ndjson"), VectorFormat::jsonl);
  EXPECT_EQ(vector_sidecar("rows.jsonl"), "");
  BulkOptions both = options();
  both.chunks = ChunkOptions{};
  both.post = "step.safetensors";
  EXPECT_THROW(BulkJob(*encoder_, both), Error);
  BulkOptions none = options();
  none.batch_texts = 0;
  EXPECT_THROW(BulkJob(*encoder_, none), Error);
  EXPECT_THROW(BulkJob(*encoder_, options()).describe("{"), Error);
}

}  // namespace
}  // namespace treble::internal
