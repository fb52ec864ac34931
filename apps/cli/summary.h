// The summary of a run.
#pragma once

#include <cstdint>
#include <string>

#include "treble/bulk.h"
#include "treble/options.h"
#include "treble/sentence_encoder.h"

namespace treble::cli {

struct EmbedSummary {
  const BulkResult* result = nullptr;  ///< never null when used
  const ModelInfo* model = nullptr;    ///< never null when used
  EncodeOptions options;
  OutputKind kind = OutputKind::dense;
  std::int64_t dim = 0;
  Precision precision = Precision::float32;
  std::int64_t columns = 0;  ///< of the output: fewer than dim where bits are packed
  double load_seconds = 0;
  bool chunked = false;  ///< long texts were read in pieces, whole
  std::string output;    ///< path; "" is stdout
  std::string sidecar;   ///< path; "" is none
};

/// A few lines for a person.
std::string describe(const EmbedSummary& summary);

/// For --json-summary; figures are those of this run, not of earlier ones that it resumed.
std::string summary_json(const EmbedSummary& summary);

/// Peak resident memory of this process, in bytes.
std::uint64_t peak_rss_bytes();

}  // namespace treble::cli
