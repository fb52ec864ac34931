#include "bulk/batch_texts.h"

#include <chrono>

#include "base/fail.h"

namespace treble::internal {

double steady_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

Error with_place(const Error& error, const BulkBatch& batch, const TextSource& source) {
  const std::string_view message = error.what();
  const auto row = error.text_index();
  if (!row || *row < 0 || *row >= std::ssize(batch.records)) return error;
  const std::string place = source.place(batch.records[static_cast<std::size_t>(*row)]);
  const std::int64_t index = batch.first_index + *row;
  // Messages about one text begin with its index in the call.
  const std::string own = fmt::format("text {}: ", *row);
  const std::string_view rest = message.starts_with(own) ? message.substr(own.size()) : message;
  return {error.code(),
          fmt::format("{}{}text {}: {}", place, place.empty() ? "" : ": ", index, rest),
          {.text_index = index, .file = error.file()}};
}

std::vector<std::string_view> texts_of(const BulkBatch& batch) {
  std::vector<std::string_view> texts;
  texts.reserve(batch.records.size());
  for (const TextRecord& record : batch.records) texts.emplace_back(record.text);
  return texts;
}

void add_counts(std::span<const TokenCount> counts, const BulkBatch& batch, BulkState& state) {
  state.count += std::ssize(counts);
  for (const TokenCount& text : counts) {
    state.tokens += text.tokens;
    state.tokens_used += text.used;
    state.truncated_texts += text.used < text.tokens ? 1 : 0;
  }
  state.replaced_characters = batch.replaced;
  state.texts_sha256 = batch.texts_sha256;
}

std::optional<BulkBatch> next_batch(BatchReader& reader, const std::stop_token& stop, bool& stopped) {
  stopped = stop.stop_requested();
  if (stopped) return std::nullopt;
  try {
    return reader.next();
  } catch (const Error& error) {
    if (error.code() != ErrorCode::interrupted) throw;
    stopped = true;
    return std::nullopt;
  }
}

}  // namespace treble::internal
