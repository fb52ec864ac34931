#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <cstdint>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "analysis.h"
#include "encoder.h"
#include "treble/collapse_report.h"
#include "treble/report_page.h"
#include "watch.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace treble::python {

namespace {

/// Texts as an iterator of (id, text, label) gives them; read while the call runs, which holds no more than its
/// samples.
InspectSource source_of(nb::handle iterator) {
  return [iterator](InspectText& text) {
    const nb::gil_scoped_acquire gil;
    if (PyErr_CheckSignals() != 0) throw nb::python_error();
    const nb::object item = nb::steal(PyIter_Next(iterator.ptr()));
    if (!item.is_valid()) {
      if (PyErr_Occurred() != nullptr) throw nb::python_error();
      return false;
    }
    auto [id, body, label] = nb::cast<std::tuple<std::string, std::string, std::string>>(item);
    text = {.id = std::move(id), .text = std::move(body), .label = std::move(label)};
    return true;
  };
}

/// (JSON, table) of the report.
std::pair<std::string, std::string> inspect(const Encoder& self, nb::handle texts, nb::handle options,
                                            nb::handle progress) {
  const SentenceEncoder& encoder = self.get();
  Watch watch(progress);
  InspectOptions given = nb::cast<InspectOptions>(options);
  given.progress = watch.callback();
  const InspectSource source = source_of(texts);
  const nb::gil_scoped_release released;
  const CollapseReport report = inspect_collapse(encoder, source, given);
  return {to_json(report), to_table(report)};
}

void make_options(InspectOptions* self, const EncodeOptions& encode, std::vector<Temperature> temperatures,
                  const std::vector<std::string>& posts) {
  new (self) InspectOptions{.temperatures = std::move(temperatures), .encode = encode};
  for (const std::string& post : posts) self->posts.push_back(PostSpec::parse(post));
}

}  // namespace

void bind_inspect(nb::module_& module) {
  nb::class_<InspectOptions>(module, "InspectOptions", "See treble.SentenceEncoder.inspect.")
      .def("__init__", &make_options, "encode"_a, "temperatures"_a, "posts"_a)
      .def_rw("bucket_edges", &InspectOptions::bucket_edges)
      .def_rw("cut_lengths", &InspectOptions::cut_lengths)
      .def_rw("sample", &InspectOptions::sample)
      .def_rw("seed", &InspectOptions::seed)
      .def_rw("bootstrap", &InspectOptions::bootstrap)
      .def_rw("layers", &InspectOptions::layers, nb::arg().none())
      .def_rw("probe_texts", &InspectOptions::probe_texts)
      .def_rw("neighbors", &InspectOptions::neighbors)
      .def_rw("queries", &InspectOptions::queries)
      .def_rw("query_prompt_name", &InspectOptions::query_prompt_name, nb::arg().none())
      .def_rw("label_sample", &InspectOptions::label_sample, nb::arg().none())
      .def_rw("training_length", &InspectOptions::training_length, nb::arg().none())
      .def_rw("max_sim_documents", &InspectOptions::max_sim_documents, nb::arg().none())
      .def_rw("states", &InspectOptions::states)
      .def(
          "set_output_kind",
          [](InspectOptions& self, const std::string& kind) { self.output = parse_output_kind(kind); }, "kind"_a);
  module.def("inspect", &inspect, "encoder"_a, "texts"_a, "options"_a, "progress"_a = nb::none(),
             "The report as JSON and as a table. `texts`: an iterator of (id, text, label).");
  module.def(
      "report_page", [](const std::string& json) { return report_page(json); }, "json"_a,
      "The page of a report, one HTML file that works offline.");
}

}  // namespace treble::python
