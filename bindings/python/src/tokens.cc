#include "tokens.h"

#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "arrays.h"
#include "encoder.h"
#include "texts.h"
#include "treble/tokens.h"
#include "watch.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace treble::python {

namespace {

/// A list of [tokens, hidden_size].
nb::list token_embeddings(const Encoder& self, nb::handle texts, const EncodeOptions& options, nb::handle progress) {
  const SentenceEncoder& encoder = self.get();
  const Texts given(texts);
  Watch watch(progress);
  EncodeOptions watched = options;
  watched.progress = watch.callback();
  std::vector<TokenEmbeddings> all;
  {
    const nb::gil_scoped_release released;
    all = treble::token_embeddings(encoder, given.views(), watched);
  }
  nb::list result;
  for (TokenEmbeddings& text : all) {
    const auto tokens = static_cast<std::size_t>(text.num_tokens);
    const auto dim = static_cast<std::size_t>(text.dim);
    result.append(to_array(std::move(text.values), {tokens, dim}));
  }
  return result;
}

std::vector<std::vector<std::int32_t>> ids(const Encoder& self, nb::handle texts, const EncodeOptions& options) {
  const SentenceEncoder& encoder = self.get();
  const Texts given(texts);
  const nb::gil_scoped_release released;
  return token_ids(encoder, given.views(), options);
}

}  // namespace

void bind_tokens(nb::module_& module) {
  module.def("token_embeddings", &token_embeddings, "encoder"_a, "texts"_a.none(), "options"_a,
             "progress"_a = nb::none(),
             "For each text the hidden states that pooling works on, [tokens, hidden_size].");
  module.def("token_ids", &ids, "encoder"_a, "texts"_a.none(), "options"_a,
             "For each text the ids that the model reads.");
}

}  // namespace treble::python
