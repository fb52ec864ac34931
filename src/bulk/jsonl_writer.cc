#include "bulk/jsonl_writer.h"

#include <fstream>
#include <iterator>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "base/fail_about.h"
#include "base/json_text.h"
#include "bulk/fail_errno.h"

namespace treble::internal {

namespace {

/// Room for the counts to grow: at most seven numbers of 19 digits and the hash of the texts.
constexpr std::size_t kHeaderRoom = 256;

std::string header_line(const Json& metadata) { return json_text(Json{{"treble", metadata}}); }

/// Without its newline; what has none within 16 MiB has no header.
std::string first_line(const std::string& path) {
  constexpr std::streamsize kMaxSize = std::streamsize{16} << 20;
  std::ifstream file(path, std::ios::binary);
  if (!file) fail_errno("open", path);
  std::string line;
  char byte = 0;
  while (static_cast<std::streamsize>(line.size()) < kMaxSize && file.get(byte) && byte != '\n') line += byte;
  return line;
}

void append_rows(const BulkBatch& batch, const Embeddings& embeddings, const Quantizer& quantizer,
                 fmt::memory_buffer& out) {
  const std::vector<std::byte> rows = quantizer.quantize(embeddings.values);
  const std::size_t size = quantizer.row_bytes();
  for (std::size_t row = 0; row < batch.records.size(); ++row) {
    append_row(batch.first_index + static_cast<std::int64_t>(row), batch.records[row],
               quantizer.json(std::span(rows).subspan(row * size, size)), embeddings.token_counts[row], out);
  }
}

}  // namespace

void append_row(std::int64_t index, const TextRecord& record, std::string_view embedding, const TokenCount& tokens,
                fmt::memory_buffer& out) {
  auto end = std::back_inserter(out);
  fmt::format_to(end, R"({{"index":{},)", index);
  if (!record.id.empty()) fmt::format_to(end, R"("id":{},)", record.id);
  fmt::format_to(end, R"("embedding":{},"tokens":{},"used":{}}})", embedding, tokens.tokens, tokens.used);
  out.push_back('\n');
}

JsonlWriter::JsonlWriter(RowFile& rows, Json metadata, const Quantizer& quantizer)
    : file_(rows.file()), metadata_(std::move(metadata)), quantizer_(quantizer) {
  header_size_ = header_line(with_state(metadata_, {}, 0)).size() + kHeaderRoom;
  end_ = header_size_;
  checkpoint({});
}

JsonlWriter::JsonlWriter(RowFile& rows, Json metadata, const SavedState& saved, const Quantizer& quantizer)
    : file_(rows.file()), metadata_(std::move(metadata)), quantizer_(quantizer) {
  const std::string& path = file_.path();
  header_size_ = first_line(path).size() + 1;
  end_ = safe_end_ = saved.bytes;
  const bool whole_rows = file_.size() >= end_ && end_ >= header_size_ && file_.read_at(end_ - 1, 1) == "\n";
  if (!whole_rows) {
    fail_about(path, ErrorCode::invalid_file,
               "{} has {} bytes and is not what its header says ({} rows up to byte {}); start again "
               "with VectorFileMode::replace",
               path, file_.size(), saved.run.count, end_);
  }
  file_.truncate(end_);
  checkpoint(saved.run);
}

void JsonlWriter::append(const BulkBatch& batch, const Embeddings& embeddings, fmt::memory_buffer& out) const {
  append_rows(batch, embeddings, quantizer_, out);
}

void JsonlWriter::write(const BulkBatch& batch, const Embeddings& embeddings) {
  fmt::memory_buffer rows;
  append(batch, embeddings, rows);
  file_.write_at(end_, {rows.data(), rows.size()});
  end_ += rows.size();
}

void JsonlWriter::checkpoint(const BulkState& state) {
  std::string header = header_line(with_state(metadata_, state, end_));
  if (header.size() >= header_size_) {
    fail_file(file_.path(), ErrorCode::internal, "a header of {} bytes does not fit into {}", header.size(),
              header_size_);
  }
  // Rows first: those that the header counts are there, also after a power cut.
  file_.sync();
  header.resize(header_size_ - 1, ' ');
  header += '\n';
  file_.write_at(0, header);
  safe_end_ = end_;
}

void JsonlWriter::roll_back() noexcept {
  file_.try_truncate(safe_end_);
  end_ = safe_end_;
}

Json read_jsonl_header(const std::string& path) {
  const Json header = try_parse_ordered(first_line(path));
  if (header.is_object()) {
    const auto found = header.find("treble");
    if (found != header.end() && found->is_object()) return *found;
  }
  fail_file(path, ErrorCode::invalid_file,
            "the first line is not a header that treble wrote, so nothing can be resumed");
}

namespace {

class JsonlSink : public VectorSink {
 public:
  JsonlSink(std::function<void(std::string_view)> write, const BulkJob& job, std::string_view inputs)
      : write_(std::move(write)), quantizer_(job.quantizer()) {
    write_(header_line(parse_ordered(job.describe(inputs))) + "\n");
  }

  void write(const BulkBatch& batch, const Embeddings& embeddings) override {
    fmt::memory_buffer rows;
    append_rows(batch, embeddings, quantizer_, rows);
    write_({rows.data(), rows.size()});
  }
  void checkpoint(const BulkState& /*state*/) override {}

 private:
  std::function<void(std::string_view)> write_;
  const Quantizer& quantizer_;
};

}  // namespace

}  // namespace treble::internal

namespace treble {

std::unique_ptr<VectorSink> make_jsonl_sink(std::function<void(std::string_view)> write, const BulkJob& job,
                                            std::string_view inputs) {
  return std::make_unique<internal::JsonlSink>(std::move(write), job, inputs);
}

}  // namespace treble
