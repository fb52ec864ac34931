// What jobs do with the texts of a batch, whatever they make of them.
#pragma once

#include <optional>
#include <span>
#include <stop_token>
#include <string_view>
#include <vector>

#include "bulk/batch_reader.h"
#include "treble/bulk.h"
#include "treble/error.h"

namespace treble::internal {

double steady_seconds();

/// The engine counts texts from the start of a call: "text 3: …". People want to know which text of their input it was.
Error with_place(const Error& error, const BulkBatch& batch, const TextSource& source);

std::vector<std::string_view> texts_of(const BulkBatch& batch);

/// Adds a batch with these counts to what is done.
void add_counts(std::span<const TokenCount> counts, const BulkBatch& batch, BulkState& state);

/// The next batch; nothing at the end of the source and, with `stopped` set, after a stop.
std::optional<BulkBatch> next_batch(BatchReader& reader, const std::stop_token& stop, bool& stopped);

}  // namespace treble::internal
