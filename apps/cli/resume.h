// Going on with an output that an earlier run began.
#pragma once

#include <string>

#include "output/metadata.h"

namespace treble::cli {

enum class OutputKind { npy, jsonl, stream };

/// By the name: ".npy", ".jsonl"; "" and "-" are stdout. Throws Error{invalid_argument} for anything else.
OutputKind output_kind(const std::string& path);

/// What an earlier run left behind.
struct SavedRun {
  Json metadata;  ///< without the state
  SavedState state;
};

/// Reads the sidecar (npy) or header (JSONL). Throws Error{invalid_file, not_found}, saying what to do.
SavedRun read_saved_run(const std::string& path, OutputKind kind);

/// Throws Error{invalid_argument} naming the first field in which `now` would give other vectors than `saved`, with
/// both values.
void check_same_run(const Json& saved, const Json& now, const std::string& path);

/// Refuses to lose an existing output: throws Error{invalid_argument} when `path` (or its sidecar) is there.
void check_not_there(const std::string& path, OutputKind kind);

}  // namespace treble::cli
