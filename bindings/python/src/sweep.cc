#include "treble/sweep.h"

#include <nanobind/stl/filesystem.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

#include "analysis.h"
#include "encoder.h"
#include "options.h"
#include "treble/evaluation.h"
#include "treble/reranker.h"
#include "watch.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace treble::python {

namespace {

SweepData retrieval(std::string name, std::vector<std::string> document_ids, std::vector<std::string> documents,
                    std::vector<std::string> query_ids, std::vector<std::string> queries,
                    std::vector<Judgements> relevant, std::vector<std::vector<std::int64_t>> candidates) {
  RetrievalData data;
  data.first_stage = !candidates.empty();
  data.candidates = std::move(candidates);
  data.document_ids = std::move(document_ids);
  data.documents = std::move(documents);
  data.query_ids = std::move(query_ids);
  data.queries = std::move(queries);
  data.relevant = std::move(relevant);
  return {.name = std::move(name), .data = std::move(data)};
}

SweepData pairs(std::string name, std::vector<std::string> first, std::vector<std::string> second,
                std::vector<double> scores) {
  return {.name = std::move(name), .data = PairData{std::move(first), std::move(second), std::move(scores)}};
}

void make_options(SweepOptions* self, const EncodeOptions& encode, std::optional<std::vector<Temperature>> temperatures,
                  std::optional<std::vector<StateControl>> states,
                  const std::optional<std::vector<std::string>>& baselines) {
  new (self) SweepOptions{.encode = encode, .temperatures = std::move(temperatures), .states = std::move(states)};
  if (!baselines) return;
  auto& parsed = self->baselines.emplace();
  for (const std::string& text : *baselines) parsed.push_back(parse_sweep_baseline(text));
}

void set_side(SweepOptions& self, const std::string& side) {
  self.side = parse_enum(side, "a side", SweepSide::both, SweepSide::document);
}

void set_similarity(SweepOptions& self, const std::string& name) { self.similarity = parse_similarity(name); }

/// (name, text) of a prompt, either None.
using Prompt = std::pair<std::optional<std::string>, std::optional<std::string>>;

/// A report in its forms: JSON, table, scores of the items as JSONL, and (tag, TREC run) of each setting.
using Outcome = std::tuple<std::string, std::string, std::string, std::vector<std::pair<std::string, std::string>>>;

Outcome outcome_of(const SweepReport& report) {
  std::vector<std::pair<std::string, std::string>> runs;
  for (std::size_t s = 0; s < report.rankings.size(); ++s) {
    runs.emplace_back(run_tag(report.settings[s]), trec_run(report, s));
  }
  return {to_json(report), to_table(report), scores_jsonl(report), std::move(runs)};
}

SweepData with_candidates(SweepData data, const std::filesystem::path& run, std::int64_t depth) {
  auto* retrieval = std::get_if<RetrievalData>(&data.data);
  if (retrieval == nullptr || !retrieval->candidates.empty()) {
    throw Error(ErrorCode::invalid_argument,
                "candidates are for queries and documents; " + data.name +
                    (retrieval == nullptr ? " has none" : " brings candidates of its own"));
  }
  read_candidates(*retrieval, run, depth);
  return data;
}

/// `variants`: (name, encoder) of other forms of the model.
Outcome run_sweep(const Encoder& self, const SweepData& data, const SweepOptions& options,
                  const std::vector<std::pair<std::string, Encoder*>>& variants, nb::handle progress) {
  const SentenceEncoder& encoder = self.get();
  Watch watch(progress);
  SweepOptions given = options;
  given.progress = watch.callback();
  for (const auto& [name, variant] : variants) given.variants.push_back({name, &variant->get()});
  const nb::gil_scoped_release released;
  return outcome_of(sweep(encoder, data, given));
}

/// Of a cross-encoder.
Outcome run_rerank_sweep(const Encoder& self, const SweepData& data, const SweepOptions& options, nb::handle progress) {
  const Reranker& reranker = self.reranker();
  Watch watch(progress);
  SweepOptions given = options;
  given.progress = watch.callback();
  const nb::gil_scoped_release released;
  return outcome_of(sweep(reranker, data, given));
}

void bind_data(nb::module_& module) {
  nb::class_<SweepData>(module, "SweepData", "What a sweep is judged on.")
      .def_static("read", &read_sweep_data, "path"_a, "split"_a = "test", "group_field"_a = "",
                  nb::call_guard<nb::gil_scoped_release>(), "A BEIR folder, or a JSONL file of pairs or of rankings.")
      .def_static("unlabelled", &unlabelled_sweep_data, "name"_a, "texts"_a,
                  "A proxy without labels: the first half of each text should find its second half.")
      .def_static("retrieval", &retrieval, "name"_a, nb::kw_only(), "document_ids"_a, "documents"_a, "query_ids"_a,
                  "queries"_a, "relevant"_a, "candidates"_a = std::vector<std::vector<std::int64_t>>(),
                  "relevant: for each query (index of a document, grade above 0). candidates: for each query the "
                  "documents that a first ranking found, the only ones it is compared with.")
      .def("with_candidates", &with_candidates, "run"_a, "depth"_a = 100, nb::call_guard<nb::gil_scoped_release>(),
           "The same data, each query compared with the first `depth` documents of a TREC run alone.")
      .def_static("pairs", &pairs, "name"_a, nb::kw_only(), "first"_a, "second"_a, "scores"_a,
                  "Pairs of texts with graded similarity, or 0 and 1.")
      .def_ro("name", &SweepData::name)
      .def_ro("labelled", &SweepData::labelled)
      .def("notes", &data_notes, "ignore_identical_ids"_a = false, "What to know before relying on its numbers.");
}

}  // namespace

void bind_sweep(nb::module_& module) {
  bind_data(module);
  nb::class_<SweepOptions>(module, "SweepOptions", "See treble.SentenceEncoder.sweep.")
      .def("__init__", &make_options, "encode"_a, "temperatures"_a.none(), "states"_a.none(), "baselines"_a.none())
      .def("set_side", &set_side, "side"_a)
      .def("set_similarity", &set_similarity, "name"_a)
      .def(
          "set_query_prompt",
          [](SweepOptions& self, const Prompt& prompt) { self.query_prompt = {prompt.first, prompt.second}; },
          "prompt"_a)
      .def(
          "set_document_prompt",
          [](SweepOptions& self, const Prompt& prompt) { self.document_prompt = {prompt.first, prompt.second}; },
          "prompt"_a)
      .def_rw("ignore_identical_ids", &SweepOptions::ignore_identical_ids)
      .def_prop_rw(
          "folds", [](const SweepOptions& self) { return self.held_out.folds; },
          [](SweepOptions& self, int folds) { self.held_out.folds = folds; })
      .def_prop_rw(
          "deals", [](const SweepOptions& self) { return self.held_out.deals; },
          [](SweepOptions& self, int deals) { self.held_out.deals = deals; })
      .def_prop_rw(
          "bootstrap", [](const SweepOptions& self) { return self.held_out.resamples; },
          [](SweepOptions& self, int resamples) { self.held_out.resamples = resamples; })
      .def_prop_rw(
          "seed", [](const SweepOptions& self) { return self.held_out.seed; },
          [](SweepOptions& self, std::uint64_t seed) { self.held_out.seed = seed; })
      .def_rw("bucket_edges", &SweepOptions::bucket_edges)
      .def_rw("max_lengths", &SweepOptions::max_lengths)
      .def_rw("run_depth", &SweepOptions::run_depth)
      .def_rw("cache", &SweepOptions::cache);
  module.def("sweep", &run_sweep, "encoder"_a, "data"_a, "options"_a, "variants"_a, "progress"_a = nb::none(),
             "The report as JSON and as a table, the items' scores as JSONL, and (tag, TREC run) of each setting.");
  module.def("sweep_reranker", &run_rerank_sweep, "reranker"_a, "data"_a, "options"_a, "progress"_a = nb::none(),
             "The same of a cross-encoder.");
}

}  // namespace treble::python
