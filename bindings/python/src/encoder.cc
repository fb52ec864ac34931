#include "encoder.h"

#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "arrays.h"
#include "options.h"
#include "queue.h"
#include "texts.h"
#include "treble/chunking.h"
#include "treble/error.h"
#include "treble/outputs.h"
#include "watch.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace treble::python {

Encoder::Encoder(SentenceEncoder encoder)
    : process_(::getpid()), encoder_(std::make_unique<SentenceEncoder>(std::move(encoder))) {}

Encoder::Encoder(Reranker reranker)
    : process_(::getpid()), reranker_(std::make_unique<Reranker>(std::move(reranker))) {}

Encoder::~Encoder() {
  if (::getpid() != process_) {
    static_cast<void>(queue_.release());
    static_cast<void>(encoder_.release());
    static_cast<void>(reranker_.release());
    return;
  }
  // Threads of the queue may wait for the GIL to deliver vectors.
  const nb::gil_scoped_release released;
  queue_.reset();
  encoder_.reset();
  reranker_.reset();
}

const SentenceEncoder& Encoder::get() const {
  if (::getpid() == process_) return model();
  throw Error(ErrorCode::unsupported, "the model " + model().info().name + " was loaded in process " +
                                          std::to_string(process_) + ", and this is its forked child " +
                                          std::to_string(::getpid()) +
                                          ", where the model's threads do not exist: load it in the child, or start "
                                          "workers with multiprocessing's \"spawn\" or \"forkserver\"");
}

const Reranker& Encoder::reranker() const {
  const SentenceEncoder& encoder = get();
  if (reranker_) return *reranker_;
  throw Error(ErrorCode::unsupported, encoder.info().name + " was loaded for vectors; load it with treble.Reranker");
}

RequestQueue& Encoder::queue() {
  const SentenceEncoder& encoder = get();
  std::call_once(queue_once_, [&] { queue_ = std::make_unique<RequestQueue>(encoder); });
  return *queue_;
}

void Encoder::close_queue() {
  if (::getpid() == process_ && queue_ != nullptr) queue_->shutdown();
}

namespace {

using Encoded = std::tuple<Vectors, Counts, std::int64_t>;

/// Texts of a call that may be put together with others'.
constexpr std::int64_t kSmallCall = 8;

std::int64_t truncated(const std::vector<TokenCount>& counts) {
  return std::count_if(counts.begin(), counts.end(), [](const TokenCount& one) { return one.used < one.tokens; });
}

void load(Encoder* self, const std::string& model, int threads, std::optional<std::int64_t> max_length,
          const std::string& extension, const std::string& dtype, bool special_tokens_as_text,
          const std::string& adapter, const std::string& task, const std::string& cache, bool reranker) {
  const ModelOptions options = {.model = model,
                                .adapter = adapter,
                                .task = task,
                                .threads = threads,
                                .max_length = max_length,
                                .extension = parse_extension(extension),
                                .dtype = parse_dtype(dtype),
                                .cache = cache,
                                .special_tokens_as_text = special_tokens_as_text};
  const nb::gil_scoped_release released;
  if (reranker) {
    new (self) Encoder(Reranker::load(options));
  } else {
    new (self) Encoder(SentenceEncoder::load(options));
  }
}

/// The vectors of a call and what is said of it; of one str [dim].
Encoded to_encoded(Embeddings embeddings, bool single) {
  const auto dim = static_cast<std::size_t>(embeddings.dim);
  const Counts counts = counts_array(embeddings.token_counts);
  const std::int64_t cut = truncated(embeddings.token_counts);
  Vectors vectors = single ? to_array(std::move(embeddings.values), {dim})
                           : to_array(std::move(embeddings.values), {static_cast<std::size_t>(embeddings.count), dim});
  return {std::move(vectors), counts, cut};
}

Encoded encode(Encoder& self, nb::handle texts, const EncodeOptions& options, nb::handle progress) {
  const SentenceEncoder& encoder = self.get();
  const Texts given(texts);
  const Encoder::Running running(self);
  // Small calls beyond what the model has threads for gain from common batches.
  if (given.count() <= kSmallCall && running.others() >= encoder.info().threads && progress.is_none()) {
    if (auto embeddings = encode_together(self, given, options))
      return to_encoded(std::move(*embeddings), given.single());
  }
  Watch watch(progress);
  EncodeOptions watched = options;
  watched.progress = watch.callback();
  const auto dim = static_cast<std::size_t>(encoder.output_dim(options));
  Buffer<float> vectors(given.views().size() * dim);
  std::vector<TokenCount> counts;
  {
    const nb::gil_scoped_release released;
    counts = encoder.encode_into(given.views(), vectors.span(), watched);
  }
  return {given.single() ? vectors.to_array<Vectors>({dim}) : vectors.to_array<Vectors>({given.views().size(), dim}),
          counts_array(counts), truncated(counts)};
}

Encoded encode_in_chunks(const Encoder& self, nb::handle texts, const EncodeOptions& options, const std::string& chunks,
                         nb::handle progress) {
  const SentenceEncoder& encoder = self.get();
  const ChunkOptions parsed = ChunkOptions::parse(chunks);
  const Texts given(texts);
  Watch watch(progress);
  EncodeOptions watched = options;
  watched.progress = watch.callback();
  Embeddings embeddings;
  {
    const nb::gil_scoped_release released;
    embeddings = encode_chunked(encoder, given.views(), watched, parsed);
  }
  return to_encoded(std::move(embeddings), false);
}

ScoreActivation parse_activation(const std::string& name) {
  return parse_enum(name, "an activation", ScoreActivation::identity, ScoreActivation::tanh);
}

/// Scores [count, labels] of pairs, or where there are no queries of texts alone.
Encoded score(const Encoder& self, nb::handle queries, nb::handle texts, const EncodeOptions& options,
              const std::optional<std::string>& activation, nb::handle progress) {
  const Reranker& reranker = self.reranker();
  RerankOptions watched{.encode = options, .activation = {}};
  if (activation) watched.activation = parse_activation(*activation);
  const Texts given(texts);
  std::optional<Texts> asked;
  if (!queries.is_none()) asked.emplace(queries);
  if (asked && asked->count() != given.count()) {
    throw Error(ErrorCode::invalid_argument, std::to_string(asked->count()) + " queries and " +
                                                 std::to_string(given.count()) + " texts are no pairs");
  }
  Watch watch(progress);
  watched.encode.progress = watch.callback();
  Scores scores;
  {
    const nb::gil_scoped_release released;
    if (asked) {
      std::vector<TextPair> pairs;
      pairs.reserve(given.views().size());
      for (std::size_t i = 0; i < given.views().size(); ++i) pairs.push_back({asked->views()[i], given.views()[i]});
      scores = reranker.score(pairs, watched);
    } else {
      scores = reranker.score(given.views(), watched);
    }
  }
  const std::int64_t cut = truncated(scores.token_counts);
  const Counts counts = counts_array(scores.token_counts);
  const auto labels = static_cast<std::size_t>(scores.num_labels);
  return {to_array(std::move(scores.values), {static_cast<std::size_t>(scores.count), labels}), counts, cut};
}

nb::list labels(const Encoder& self) {
  nb::list names;
  for (const std::string& label : self.reranker().labels()) names.append(label);
  return names;
}

Counts count_tokens(const Encoder& self, nb::handle texts, const EncodeOptions& options) {
  const SentenceEncoder& encoder = self.get();
  const Texts given(texts);
  std::vector<TokenCount> counts;
  {
    const nb::gil_scoped_release released;
    counts = encoder.count_tokens(given.views(), options);
  }
  return counts_array(counts);
}

nb::dict info(const Encoder& self) {
  const ModelInfo& info = self.get().info();
  nb::dict result;
  result["name"] = info.name;
  result["path"] = info.path.string();
  result["model_type"] = info.model_type;
  result["architecture"] = info.architecture;
  result["weights_dtype"] = to_string(info.weights_dtype);
  result["adapter"] = info.adapter;
  result["task"] = info.task;
  result["dtype"] = to_string(info.compute_dtype);
  result["dtype_reason"] = info.dtype_reason;
  result["prepared_from"] = info.prepared_from;
  result["cpu_isa"] = info.cpu_isa;
  nb::list outputs;
  for (const OutputKind kind : info.outputs) outputs.append(to_string(kind));
  result["outputs"] = outputs;
  result["pooling"] = to_string(std::span(info.pooling));
  result["normalizes"] = info.normalizes;
  result["dim"] = info.dim;
  result["token_dim"] = info.token_dim;
  result["mean_max_sim"] = info.mean_max_sim;
  result["hidden_size"] = info.hidden_size;
  result["num_layers"] = info.num_layers;
  result["num_heads"] = info.num_heads;
  result["vocab_size"] = info.vocab_size;
  result["num_parameters"] = info.num_parameters;
  result["num_experts"] = info.num_experts;
  result["active_experts"] = info.active_experts;
  result["active_parameters"] = info.active_parameters;
  result["max_length"] = info.max_length;
  result["max_length_source"] = info.max_length_source;
  result["position_limit"] = info.position_limit;
  result["extension"] = to_string(info.extension);
  result["tempered_layers"] = info.tempered_layers;
  result["state_layers"] = info.state_layers;
  result["state_head_dim"] = info.state_head_dim;
  result["state_size"] = info.state_size;
  result["baked_temperature"] = info.baked_temperature;
  result["default_prompt_name"] = info.default_prompt_name;
  result["similarity"] = to_string(info.similarity);
  result["special_tokens_as_text"] = info.special_tokens_as_text;
  result["truncation"] = to_string(info.truncation);
  result["threads"] = info.threads;
  nb::dict prompts;
  for (const auto& [name, prompt] : info.prompts) prompts[nb::str(name.c_str(), name.size())] = prompt;
  result["prompts"] = prompts;
  nb::list modules;
  for (const auto& module : info.modules) modules.append(module);
  result["modules"] = modules;
  nb::list warnings;
  for (const auto& warning : info.warnings) warnings.append(warning);
  result["warnings"] = warnings;
  return result;
}

}  // namespace

void bind_encoder(nb::module_& module) {
  nb::class_<Encoder>(module, "Encoder", "A loaded model; see treble.SentenceEncoder.")
      .def("__init__", &load, "model"_a, nb::kw_only(), "threads"_a = 0, "max_length"_a = nb::none(),
           "extension"_a = "none", "dtype"_a = "float32", "special_tokens_as_text"_a = false, "adapter"_a = "",
           "task"_a = "", "cache"_a = "", "reranker"_a = false)
      .def("score", &score, "queries"_a.none(), "texts"_a, "options"_a, "activation"_a = nb::none(),
           "progress"_a = nb::none(),
           "Of a reranker: scores [count, labels] of pairs, of queries None of texts alone; token counts [count, 2]; "
           "how "
           "many pairs were truncated.")
      .def("labels", &labels, "Of a reranker: what its scores are of.")
      .def(
          "activation", [](const Encoder& self) { return to_string(self.reranker().activation()); },
          "Of a reranker: what it makes of its logits.")
      .def("encode", &encode, "texts"_a.none(), "options"_a, "progress"_a = nb::none(),
           "Vectors, [dim] of a str and [count, dim] of an iterable; token counts [count, 2]: in the text, read; how "
           "many "
           "texts were truncated.")
      .def("encode_chunked", &encode_in_chunks, "texts"_a.none(), "options"_a, "chunks"_a, "progress"_a = nb::none(),
           "As `encode`, [count, dim], with long texts in pieces: \"chunk-mean:256\", \"late-chunk:64\".")
      .def("count_tokens", &count_tokens, "texts"_a.none(), "options"_a,
           "What `encode` would report, without running the model.")
      .def(
          "output_dim",
          [](const Encoder& self, const EncodeOptions& options) { return self.get().output_dim(options); }, "options"_a)
      .def(
          "validate",
          [](const Encoder& self, const EncodeOptions& options) {
            const SentenceEncoder& encoder = self.get();
            validate_outputs(encoder, std::span(encoder.info().outputs).first(1), {.encode = options});
          },
          "options"_a, "Of a call for the first of the model's outputs.")
      .def("info", &info);
}

}  // namespace treble::python
