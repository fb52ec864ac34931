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
#include "treble/error.h"
#include "treble/observer.h"
#include "treble/tokens.h"
#include "watch.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace treble::python {

namespace {

/// Keeps what pooling works on, of one text.
class LastStates : public Observer {
 public:
  explicit LastStates(std::int64_t num_layers) : num_layers_(num_layers) {}

  void on_hidden_states(std::int64_t /*text*/, std::int64_t layer, const HiddenStatesView& states) override {
    if (layer != num_layers_) return;
    kept_.reserve(static_cast<std::size_t>(states.num_tokens * states.dim));
    for (std::int64_t token = 0; token < states.num_tokens; ++token) {
      const auto row = states.row(token);
      kept_.insert(kept_.end(), row.begin(), row.end());
    }
  }

  std::vector<float> take() { return std::move(kept_); }

 private:
  std::int64_t num_layers_;
  std::vector<float> kept_;
};

/// observe() speaks of the one text that it was given.
[[noreturn]] void rethrow_about(const Error& error, std::int64_t text) {
  if (!error.text_index()) throw error;
  std::string message = error.what();
  if (message.starts_with("text 0")) message = "text " + std::to_string(text) + message.substr(6);
  throw Error(error.code(), message, {.text_index = text, .file = error.file()});
}

/// A list of [tokens, hidden_size].
nb::list token_embeddings(const Encoder& self, nb::handle texts, const EncodeOptions& options, nb::handle progress) {
  const SentenceEncoder& encoder = self.get();
  const ModelInfo& info = encoder.info();
  const Texts given(texts);
  Watch watch(progress);
  const auto report = watch.callback();
  std::vector<std::vector<float>> all;
  {
    const nb::gil_scoped_release released;
    // One by one: each is read alone anyway, and a Ctrl-C is heard between them.
    for (std::int64_t text = 0; text < given.count(); ++text) {
      LastStates states(info.num_layers);
      try {
        observe(encoder, given.views().subspan(static_cast<std::size_t>(text), 1), options, states);
      } catch (const Error& error) {
        rethrow_about(error, text);
      }
      all.push_back(states.take());
      report({"encoding", text + 1, given.count()});
    }
  }
  nb::list result;
  for (auto& states : all) {
    const auto dim = static_cast<std::size_t>(info.hidden_size);
    const std::size_t tokens = states.size() / dim;
    result.append(to_array(std::move(states), {tokens, dim}));
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
