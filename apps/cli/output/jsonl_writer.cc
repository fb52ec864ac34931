#include "output/jsonl_writer.h"

#include <iterator>
#include <span>
#include <string_view>
#include <utility>

#include "fail.h"
#include "input/line_reader.h"
#include "standard_streams.h"

namespace treble::cli {

namespace {

/// Room for the counts to grow: at most seven numbers of 19 digits and the hash of the texts.
constexpr std::size_t kHeaderRoom = 256;

std::string header_line(const Json& metadata) { return dump(Json{{"treble", metadata}}, -1); }

void append_rows(const Chunk& chunk, const Embeddings& embeddings, fmt::memory_buffer& out) {
  const std::span<const float> values(embeddings.values);
  const auto dim = static_cast<std::size_t>(embeddings.dim);
  for (std::size_t row = 0; row < chunk.records.size(); ++row) {
    append_row(chunk.first_index + static_cast<std::int64_t>(row), chunk.records[row], values.subspan(row * dim, dim),
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
  std::string header;
  LineReader(path).next(header);
  header_size_ = header.size();
  end_ = safe_end_ = saved.bytes;
  const bool whole_rows = file_.size() >= end_ && end_ >= header_size_ && file_.read_at(end_ - 1, 1) == "\n";
  if (!whole_rows) {
    fail(ErrorCode::invalid_file,
         "{} has {} bytes and is not what its header says ({} rows up to byte {}); start again "
         "with --force",
         path, file_.size(), saved.run.count, end_);
  }
  file_.truncate(end_);
  checkpoint(saved.run);
}

void JsonlWriter::write(const Chunk& chunk, const Embeddings& embeddings) {
  fmt::memory_buffer rows;
  append_rows(chunk, embeddings, rows);
  file_.write_at(end_, {rows.data(), rows.size()});
  end_ += rows.size();
}

void JsonlWriter::checkpoint(const RunState& state) {
  std::string header = header_line(with_state(metadata_, state, end_));
  if (header.size() >= header_size_) {
    fail(ErrorCode::internal, "{}: a header of {} bytes does not fit into {}", file_.path(), header.size(),
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

JsonlStream::JsonlStream(const Json& metadata) { print_out(header_line(metadata) + "\n"); }

void JsonlStream::write(const Chunk& chunk, const Embeddings& embeddings) {
  fmt::memory_buffer rows;
  append_rows(chunk, embeddings, rows);
  print_out({rows.data(), rows.size()});
}

Json read_jsonl_header(const std::string& path) {
  std::string line;
  LineReader(path).next(line);
  const Json header = Json::parse(line, nullptr, false);
  if (header.is_object()) {
    const auto found = header.find("treble");
    if (found != header.end() && found->is_object()) return *found;
  }
  fail(ErrorCode::invalid_file, "{}: the first line is no header that treble wrote, so nothing can be resumed", path);
}

}  // namespace treble::cli
