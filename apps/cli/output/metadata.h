// What an output says about itself: which model, at which temperature, from which inputs, how far it got.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

#include "treble/options.h"
#include "treble/sentence_encoder.h"

namespace treble::cli {

using Json = nlohmann::ordered_json;

/// JSON text; -1 puts it on one line. Paths and prompts need not be UTF-8: what is not becomes U+FFFD.
inline std::string dump(const Json& json, int indent) {
  return json.dump(indent, ' ', false, Json::error_handler_t::replace);
}

/// How far a run has come. Counts are of all rows in the output, those of earlier runs included.
struct RunState {
  std::int64_t count = 0;
  std::int64_t tokens = 0;
  std::int64_t tokens_used = 0;
  std::int64_t truncated_texts = 0;
  std::int64_t replaced_characters = 0;
  std::string texts_sha256;  ///< of the texts of all rows
  bool complete = false;

  std::int64_t tokens_lost() const noexcept { return tokens - tokens_used; }
  void add(const Embeddings& embeddings);
};

/// provenance_json of treble/provenance.h: what vectors depend on, and what it is called.
Json describe_vectors(const SentenceEncoder& encoder, const EncodeOptions& options);

/// Everything about a run that is known before it begins, without a state; "created" is now, in UTC.
Json describe_run(const SentenceEncoder& encoder, const EncodeOptions& options, Json inputs);

/// `metadata` with the fields of `state` behind. `bytes`: the size of the output up to its last row.
Json with_state(const Json& metadata, const RunState& state, std::uint64_t bytes);

/// What with_state wrote. Throws Error{invalid_file} naming `origin` and the field.
struct SavedState {
  RunState run;
  std::uint64_t bytes = 0;
};
SavedState read_state(const Json& metadata, const std::string& origin);

/// `metadata` without what with_state added.
Json without_state(Json metadata);

}  // namespace treble::cli
