#include "bulk/jsonl_writer.h"

#include <fstream>
#include <iterator>
#include <span>
#include <string_view>
#include <utility>

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

void append_rows(const BulkBatch& batch, const Embeddings& embeddings, fmt::memory_buffer& out) {
  const std::span<const float> values(embeddings.values);
  const auto dim = static_cast<std::size_t>(embeddings.dim);
  for (std::size_t row = 0; row < batch.records.size(); ++row) {
    append_row(batch.first_index + static_cast<std::int64_t>(row), batch.records[row], values.subspan(row * dim, dim),
               embeddings.token_counts[row], out);
  }
}

}  // namespace

void append_row(std::int64_t index, const TextRecord& record, std::span<const float> embedding,
                const TokenCount& tokens, fmt::memory_buffer& out) {
  auto end = std::back_inserter(out);
  fmt::format_to(end, R"({{"index":{},)", index);
  if (!record.id.empty()) fmt::format_to(end, R"("id":{},)", record.id);
  out.append(std::string_view(R"("embedding":[)"));
  for (std::size_t i = 0; i < embedding.size(); ++i) {
    if (i > 0) out.push_back(',');
    fmt::format_to(end, "{}", embedding[i]);
  }
  fmt::format_to(end, R"(],"tokens":{},"used":{}}})", tokens.tokens, tokens.used);
  out.push_back('\n');
}

JsonlWriter::JsonlWriter(RowFile& rows, Json metadata) : file_(rows.file()), metadata_(std::move(metadata)) {
  header_size_ = header_line(with_state(metadata_, {}, 0)).size() + kHeaderRoom;
  end_ = header_size_;
  checkpoint({});
}

JsonlWriter::JsonlWriter(RowFile& rows, Json metadata, const SavedState& saved)
    : file_(rows.file()), metadata_(std::move(metadata)) {
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
  append_rows(batch, embeddings, out);
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
  JsonlSink(std::function<void(std::string_view)> write, const Json& metadata) : write_(std::move(write)) {
    write_(header_line(metadata) + "\n");
  }

  void write(const BulkBatch& batch, const Embeddings& embeddings) override {
    fmt::memory_buffer rows;
    append_rows(batch, embeddings, rows);
    write_({rows.data(), rows.size()});
  }
  void checkpoint(const BulkState& /*state*/) override {}

 private:
  std::function<void(std::string_view)> write_;
};

}  // namespace

}  // namespace treble::internal

namespace treble {

std::unique_ptr<VectorSink> make_jsonl_sink(std::function<void(std::string_view)> write, std::string_view description) {
  const auto metadata = internal::try_parse_ordered(description);
  if (metadata.is_discarded()) throw Error(ErrorCode::invalid_argument, "the description of the vectors is not JSON");
  return std::make_unique<internal::JsonlSink>(std::move(write), metadata);
}

}  // namespace treble
