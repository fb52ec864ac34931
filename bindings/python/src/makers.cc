#include <nanobind/ndarray.h>
#include <nanobind/stl/filesystem.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "analysis.h"
#include "arrays.h"
#include "encoder.h"
#include "options.h"
#include "texts.h"
#include "treble/bake.h"
#include "treble/calibrate.h"
#include "treble/post_transform.h"
#include "treble/provenance.h"
#include "watch.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace treble::python {

namespace {

CalibrationTarget parse_target(const std::string& name) {
  return parse_enum(name, "what can be matched", CalibrationTarget::filter_rate, CalibrationTarget::entropy);
}

Calibration run_calibrate(const Encoder& self, nb::handle texts, const CalibrateOptions& options, nb::handle progress) {
  const SentenceEncoder& encoder = self.get();
  const Texts given(texts);
  Watch watch(progress);
  CalibrateOptions watched = options;
  watched.progress = watch.callback();
  const nb::gil_scoped_release released;
  return calibrate(encoder, given.views(), watched);
}

void bind_calibrate(nb::module_& module) {
  nb::class_<CalibrateOptions>(module, "CalibrateOptions", "See treble.SentenceEncoder.calibrate.")
      .def(
          "__init__",
          [](CalibrateOptions* self, const EncodeOptions& encode, const std::string& match) {
            new (self) CalibrateOptions{.match = parse_target(match), .encode = encode};
          },
          "encode"_a, "match"_a = "entropy")
      .def_rw("reference_length", &CalibrateOptions::reference_length)
      .def_rw("lengths", &CalibrateOptions::lengths)
      .def_rw("per_head", &CalibrateOptions::per_head)
      .def_rw("sample", &CalibrateOptions::sample)
      .def_rw("seed", &CalibrateOptions::seed);
  nb::class_<UnreachedTarget>(module, "UnreachedTarget",
                              "A place where no scale between 1/8 and 8 gives what the reference has.")
      .def_ro("layer", &UnreachedTarget::layer)
      .def_ro("head", &UnreachedTarget::head)
      .def_ro("length", &UnreachedTarget::length)
      .def_ro("target", &UnreachedTarget::target)
      .def_ro("reached", &UnreachedTarget::reached);
  nb::class_<Calibration>(module, "Calibration", "What a calibration gives.")
      .def_ro("profile", &Calibration::profile, "Complete, also where targets were not reached.")
      .def_ro("texts", &Calibration::texts, "That were measured.")
      .def_ro("unreached", &Calibration::unreached);
  module.def("calibrate", &run_calibrate, "encoder"_a, "texts"_a.none(), "options"_a, "progress"_a = nb::none());
}

StateNorms run_state_norms(const Encoder& self, nb::handle texts, const StateNormsOptions& options,
                           nb::handle progress) {
  const SentenceEncoder& encoder = self.get();
  const Texts given(texts);
  Watch watch(progress);
  StateNormsOptions watched = options;
  watched.progress = watch.callback();
  const nb::gil_scoped_release released;
  return calibrate_state_norms(encoder, given.views(), watched);
}

void bind_state_norms(nb::module_& module) {
  nb::class_<StateNormsOptions>(module, "StateNormsOptions", "See treble.SentenceEncoder.calibrate_state_norms.")
      .def(
          "__init__",
          [](StateNormsOptions* self, const EncodeOptions& encode) { new (self) StateNormsOptions{.encode = encode}; },
          "encode"_a)
      .def_rw("training_length", &StateNormsOptions::training_length, nb::arg().none())
      .def_rw("sample", &StateNormsOptions::sample)
      .def_rw("seed", &StateNormsOptions::seed);
  module.def("calibrate_state_norms", &run_state_norms, "encoder"_a, "texts"_a.none(), "options"_a,
             "progress"_a = nb::none());
}

BakeReport run_bake(const std::string& model, const std::filesystem::path& output, const Temperature& temperature,
                    const std::string& dtype, bool temper_position_bias, bool force, nb::handle progress) {
  if (dtype != "keep" && dtype != "float32") {
    throw Error(ErrorCode::invalid_argument, "\"" + dtype + "\" is not a dtype to bake; there are keep, float32");
  }
  Watch watch(progress);
  const BakeOptions options = {.temper_position_bias = temper_position_bias,
                               .dtype = dtype == "keep" ? BakedDType::keep : BakedDType::float32,
                               .force = force,
                               .progress = watch.callback()};
  const nb::gil_scoped_release released;
  return bake(model, output, temperature, options);
}

void bind_bake(nb::module_& module) {
  nb::class_<BakeReport>(module, "BakeReport", "What was written.")
      .def_ro("changed", &BakeReport::changed, "Names of the tensors, in the order of the layers.")
      .def_ro("left_out", &BakeReport::left_out, "Files with the untempered weights in another format.")
      .def_ro("exact", &BakeReport::exact, "True when no scaled weight had to be rounded.")
      .def_ro("max_rounding_error", &BakeReport::max_rounding_error, "Relative, of a weight.");
  module.def("bake", &run_bake, "model"_a, "output"_a, "temperature"_a, nb::kw_only(), "dtype"_a = "keep",
             "temper_position_bias"_a = true, "force"_a = false, "progress"_a = nb::none(),
             "Writes the model folder with the temperature in its weights.");
}

using InputVectors = nb::ndarray<const float, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using InputTokens = nb::ndarray<const std::int64_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

std::span<const float> values_of(const InputVectors& vectors) { return {vectors.data(), vectors.size()}; }

Vectors apply(const PostTransform& self, const InputVectors& vectors, bool normalize) {
  std::vector<float> result;
  {
    const nb::gil_scoped_release released;
    result = self.apply(values_of(vectors), normalize);
  }
  const auto dim = static_cast<std::size_t>(self.output_dim());
  const std::size_t rows = result.size() / dim;
  return to_array(std::move(result), {rows, dim});
}

void bind_transform(nb::module_& module) {
  nb::class_<PostTransform>(module, "PostTransform", "A step after the model that was fitted on vectors.")
      .def_static("load", &PostTransform::load, "path"_a, "A file that `save` or `treble fit` wrote.")
      .def(
          "save",
          [](const PostTransform& self, const std::filesystem::path& path, bool force) {
            self.save(path, force ? Existing::replace : Existing::refuse);
          },
          "path"_a, nb::kw_only(), "force"_a = false, "Writes a safetensors file, whole or not at all.")
      .def("apply", &apply, "vectors"_a, nb::kw_only(), "normalize"_a = true,
           "[n, input_dim] to [n, output_dim], of length 1 with normalize.")
      .def_prop_ro(
          "spec", [](const PostTransform& self) { return self.spec().to_string(); }, "\"whitening:64\", ...")
      .def_prop_ro(
          "texts", [](const PostTransform& self) { return self.provenance().texts; }, "It was fitted on.")
      .def_prop_ro("input_dim", &PostTransform::input_dim)
      .def_prop_ro("output_dim", &PostTransform::output_dim)
      .def_prop_ro("sha256", &PostTransform::sha256, "Of what determines the result.");
}

}  // namespace

void bind_temperature_makers(nb::module_& module) {
  bind_calibrate(module);
  bind_state_norms(module);
  bind_bake(module);
}

void bind_post(nb::module_& module) {
  bind_transform(module);
  nb::class_<PostFitter>(module, "PostFitter", "Gathers vectors for a fit; memory is that of a dim x dim matrix.")
      .def(nb::init<std::int64_t>(), "dim"_a)
      .def(
          "add",
          [](PostFitter& self, const InputVectors& vectors, const InputTokens& tokens) {
            self.add(values_of(vectors), {tokens.data(), tokens.size()});
          },
          "vectors"_a, "tokens"_a, "vectors [n, dim]; tokens [n]: that the model read of each text.")
      .def(
          "fit",
          [](const PostFitter& self, const std::string& spec, const Encoder& encoder, const EncodeOptions& options) {
            return self.fit(PostSpec::parse(spec), post_provenance(encoder.get(), options));
          },
          "spec"_a, "encoder"_a, "options"_a);
}

}  // namespace treble::python
