#include "model_outputs.h"

#include <fmt/format.h>

#include "progress.h"

namespace treble::cli {

std::string outputs_text(const ModelInfo& info) {
  std::string text;
  for (const OutputKind kind : info.outputs) {
    if (!text.empty()) text += ", ";
    text += kind == OutputKind::dense    ? fmt::format("{}-dimensional vectors", info.dim)
            : kind == OutputKind::sparse ? fmt::format("sparse vectors of {} dimensions", grouped(info.vocab_size))
                                         : fmt::format("a vector of {} dimensions a token", info.token_dim);
  }
  return text;
}

}  // namespace treble::cli
