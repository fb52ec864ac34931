#include "engine/output_heads.h"

#include "base/fail.h"

namespace treble::internal {

namespace {

/// What gives an output, for messages.
const char* giver_of(OutputKind kind) {
  switch (kind) {
    case OutputKind::dense: break;
    case OutputKind::sparse: return "encode_sparse (treble embed --output-kind sparse)";
    case OutputKind::multi_vector: return "encode_multi (treble embed --output-kind multi-vector)";
  }
  return "SentenceEncoder::encode (treble embed)";
}

}  // namespace

bool OutputHeads::has(OutputKind kind) const noexcept {
  switch (kind) {
    case OutputKind::dense: return dense;
    case OutputKind::sparse: return sparse != nullptr;
    case OutputKind::multi_vector: break;
  }
  return false;
}

std::vector<OutputKind> OutputHeads::kinds() const {
  std::vector<OutputKind> kinds;
  for (const OutputKind kind : {OutputKind::dense, OutputKind::sparse, OutputKind::multi_vector}) {
    if (has(kind)) kinds.push_back(kind);
  }
  return kinds;
}

void OutputHeads::require(OutputKind kind, const std::string& model) const {
  if (has(kind)) return;
  std::string others;
  for (const OutputKind other : kinds()) {
    others += fmt::format("{}{} vectors, by {}", others.empty() ? "" : ", and ", to_string(other), giver_of(other));
  }
  fail(ErrorCode::unsupported, "{} has no {} output; it gives {}", model, to_string(kind), others);
}

std::vector<std::string> OutputHeads::descriptions() const {
  std::vector<std::string> lines;
  if (sparse) lines = sparse->descriptions();
  return lines;
}

OutputHeads load_output_heads(const ModelSettings& /*settings*/, const Encoder& /*encoder*/,
                              const ModelOptions& /*options*/) {
  return {};
}

}  // namespace treble::internal
