#include "treble/bake.h"

#include <filesystem>
#include <set>
#include <utility>

#include "adapters/peft_config.h"
#include "bake/bake_plan.h"
#include "bake/carry_over.h"
#include "bake/file_ops.h"
#include "bake/output_folder.h"
#include "bake/provenance.h"
#include "bake/weight_files.h"
#include "base/fail_about.h"
#include "base/sha256.h"
#include "base/stop.h"
#include "models/folder_check.h"
#include "models/model_parts.h"
#include "models/model_registry.h"
#include "treble/version.h"

namespace treble {

using namespace internal;

namespace {

namespace fs = std::filesystem;

/// A model to bake, opened.
struct Source {
  ModelParts parts;
  fs::path transformer;  ///< relative to the model's folder; empty: the folder itself
  OpenedModel model;
};

/// What stays behind when the weights are written without the factors.
void refuse_task_in_weights(const ModelParts& parts) {
  if (parts.adapter.task.empty()) return;
  fail_file(
      parts.weights, ErrorCode::unsupported,
      "the adapter of the task \"{}\" lies in the weights, among those of other tasks, and its code would not read "
      "weights without them; baking such a model is not supported",
      parts.adapter.task);
}

Source open_source(const std::string& model, const BakeOptions& options) {
  ModelParts parts = find_model_parts(model, {options.adapter, options.task});
  check_model_folder(parts);
  if (parts.is_static) {
    fail_file(parts.folder, ErrorCode::unsupported,
              "a StaticEmbedding has no attention that a temperature could be baked into");
  }
  refuse_task_in_weights(parts);
  fs::path relative = parts.transformer.lexically_relative(parts.folder).lexically_normal();
  if (relative == ".") relative.clear();
  if (!relative.has_filename()) relative = relative.parent_path();
  OpenedModel opened = open_model(parts.weights, parts.adapter);
  return {std::move(parts), std::move(relative), std::move(opened)};
}

/// "org/model" as it was asked for, else the last part of the folder's path.
std::string source_name(const std::string& model, const fs::path& folder) {
  std::error_code error;
  return fs::is_directory(model, error) ? fs::canonical(folder).filename().string() : model;
}

std::set<fs::path> files_written_here(const Source& source) {
  std::set<fs::path> files = {kProvenanceFile};
  const ModelParts& parts = source.parts;
  const TensorArchive& archive = source.model.archive;
  for (const fs::path& file : archive.files()) {
    files.insert(source.transformer / file.lexically_relative(parts.weights));
  }
  if (is_sharded(archive)) files.insert(source.transformer / kShardIndex);
  if (parts.weights != parts.transformer) files.insert(source.transformer / "config.json");
  if (!parts.has_adapter()) return files;
  for (const fs::path& folder : {fs::path(), source.transformer}) {
    files.insert(folder / "adapters");
    for (const char* name : {kPeftConfigFile, kPeftWeightsFile, "adapter_model.bin"}) files.insert(folder / name);
  }
  return files;
}

Provenance provenance_of(const std::string& model, const Source& source, const Temperature& temperature,
                         const BakeOptions& options) {
  Provenance provenance;
  provenance.baked.temperature = temperature.to_string();
  provenance.baked.temper_position_bias = options.temper_position_bias;
  provenance.baked.source_name = source_name(model, source.parts.folder);
  provenance.baked.source_weights_sha256 = sha256_of_files(source.model.archive.files());
  provenance.baked.treble_version = version();
  provenance.dtype = options.dtype == BakedDType::keep ? "keep" : "float32";
  provenance.adapter = source.parts.adapter.folder;
  provenance.adapter_identity = adapter_identity(source.parts);
  return provenance;
}

/// Names of the tensors that change: of the temperature, then the others that an adapter has part in.
std::vector<std::string> changed_names(const std::vector<TensorChange>& changes, const TensorArchive& archive) {
  std::vector<std::string> names;
  names.reserve(changes.size());
  for (const TensorChange& change : changes) names.push_back(change.name);
  const std::set<std::string, std::less<>> scaled(names.begin(), names.end());
  for (const auto& [name, tensor] : archive.tensors()) {
    if (tensor.revision != nullptr && !scaled.contains(name)) names.push_back(name);
  }
  return names;
}

/// Everything but the decision: writes the whole folder `to` and completes the provenance.
void write_model(const Source& source, const std::vector<TensorChange>& changes, const fs::path& to,
                 const BakeOptions& options, Provenance& provenance) {
  std::int64_t files_done = 0;
  const auto before_file = [&] {
    if (options.progress) options.progress({"writing", files_done++, 0});
    check_stop(options.stop, "baking");
  };
  const ModelParts& parts = source.parts;
  BakeReport& report = provenance.report;
  report.left_out = carry_over({.from = parts.folder,
                                .to = to,
                                .transformer = source.transformer,
                                .written_elsewhere = files_written_here(source),
                                .before_file = before_file});
  const fs::path target = source.transformer.empty() ? to : to / source.transformer;
  if (parts.weights != parts.transformer) carry_file(parts.weights / "config.json", target / "config.json");
  Rounding rounding;
  const auto files = write_weights({.from = parts.weights,
                                    .to = target,
                                    .archive = source.model.archive,
                                    .changes = changes,
                                    .dtype = options.dtype,
                                    .temperature = provenance.scales->is_identity() ? "" : provenance.baked.temperature,
                                    .before_file = before_file},
                                   rounding);
  report.changed = changed_names(changes, source.model.archive);
  report.adapter = parts.adapter.folder.string();
  report.exact = provenance.baked.exact = rounding.exact;
  report.max_rounding_error = provenance.baked.max_rounding_error = rounding.max_relative_error;
  provenance.weights_sha256 = sha256_of_files(files);
  before_file();
  write_provenance(parts.folder, to, provenance);
}

void check_changes_something(const LogitScales& scales, const ModelParts& parts, const Temperature& temperature) {
  if (!scales.is_identity() || parts.has_adapter()) return;
  fail(ErrorCode::invalid_argument, "temperature {} is the model as it is: there is nothing to bake",
       temperature.to_string());
}

}  // namespace

BakeReport bake(const std::string& model, const fs::path& output, const Temperature& temperature,
                const BakeOptions& options) {
  try {
    const Source source = open_source(model, options);
    if (source.model.layout.config.state_space.enabled) {
      fail_about(source.parts.folder, ErrorCode::unsupported,
                 "{}: a {} model has no attention, so there is no temperature to put into its weights; the control of "
                 "its state (EncodeOptions::state) is applied when texts are encoded",
                 source.parts.folder.string(), source.model.layout.config.model_type);
    }
    const LogitScales scales(temperature, source.model.layout.config);
    check_changes_something(scales, source.parts, temperature);
    const auto changes = plan_bake(source.model.layout, source.model.archive, scales, options.temper_position_bias);
    OutputFolder folder(output, source.parts.folder, options.force);
    Provenance provenance = provenance_of(model, source, temperature, options);
    provenance.scales = &scales;
    write_model(source, changes, folder.path(), options, provenance);
    folder.commit();
    return provenance.report;
  } catch (const fs::filesystem_error& error) {
    fail_about(error.path1(), ErrorCode::io, "{}", error.what());
  }
}

}  // namespace treble
