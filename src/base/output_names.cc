// How the choices of treble/output_options.h are written.
#include "base/fail.h"
#include "treble/output_options.h"

namespace treble {

using internal::fail;

std::string to_string(OutputKind kind) {
  switch (kind) {
    case OutputKind::dense: break;
    case OutputKind::sparse: return "sparse";
    case OutputKind::multi_vector: return "multi-vector";
  }
  return "dense";
}

OutputKind parse_output_kind(std::string_view name) {
  for (const OutputKind kind : {OutputKind::dense, OutputKind::sparse, OutputKind::multi_vector}) {
    if (to_string(kind) == name) return kind;
  }
  fail(ErrorCode::invalid_argument, "the output kind \"{:.40}\" is not known; there are dense, sparse and multi-vector",
       name);
}

std::string to_string(TextRole role) { return role == TextRole::query ? "query" : "document"; }

TextRole parse_text_role(std::string_view name) {
  for (const TextRole role : {TextRole::query, TextRole::document}) {
    if (to_string(role) == name) return role;
  }
  fail(ErrorCode::invalid_argument, "the role \"{:.40}\" is not known; a text is a query or a document", name);
}

}  // namespace treble
