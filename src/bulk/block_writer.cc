#include "bulk/block_writer.h"

#include <fmt/ranges.h>

#include <cstdint>
#include <string_view>
#include <vector>

namespace treble::internal {

void BlockWriter::append(const BulkBatch& batch, const Embeddings& embeddings, fmt::memory_buffer& out) const {
  std::vector<std::string_view> ids;
  ids.reserve(batch.records.size());
  for (const TextRecord& record : batch.records)
    ids.push_back(record.id.empty() ? "null" : std::string_view(record.id));
  std::vector<std::int64_t> tokens;
  std::vector<std::int64_t> used;
  tokens.reserve(embeddings.token_counts.size());
  used.reserve(embeddings.token_counts.size());
  for (const TokenCount& count : embeddings.token_counts) {
    tokens.push_back(count.tokens);
    used.push_back(count.used);
  }
  fmt::format_to(std::back_inserter(out), R"({{"rows":{},"ids":[{}],"tokens":[{}],"used":[{}]}})", batch.records.size(),
                 fmt::join(ids, ","), fmt::join(tokens, ","), fmt::join(used, ","));
  out.push_back('\n');
  const std::vector<std::byte> rows = quantizer().quantize(embeddings.values);
  out.append(std::string_view(reinterpret_cast<const char*>(rows.data()), rows.size()));
  out.push_back('\n');
}

}  // namespace treble::internal
