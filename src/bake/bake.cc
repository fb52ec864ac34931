#include "treble/bake.h"

#include <filesystem>
#include <utility>

#include "bake/bake_plan.h"
#include "bake/carry_over.h"
#include "bake/output_folder.h"
#include "bake/provenance.h"
#include "bake/weight_files.h"
#include "base/fail_about.h"
#include "base/sha256.h"
#include "base/stop.h"
#include "models/folder_check.h"
#include "models/model_location.h"
#include "models/model_registry.h"
#include "treble/version.h"

namespace treble {

using namespace internal;

namespace {

namespace fs = std::filesystem;

/// A model to bake, opened.
struct Source {
  fs::path folder;
  fs::path transformer;  ///< relative to folder; empty: the folder itself
  TensorArchive archive;

  fs::path weights_folder() const { return transformer.empty() ? folder : folder / transformer; }
};

Source open_source(const std::string& model) {
  const fs::path folder = find_model_folder(model);
  check_model_folder(folder);
  const fs::path transformer = transformer_folder(folder);
  fs::path relative = transformer.lexically_relative(folder).lexically_normal();
  if (relative == ".") relative.clear();
  if (!relative.has_filename()) relative = relative.parent_path();
  const fs::path weights = relative.empty() ? folder : folder / relative;
  return {folder, relative, TensorArchive::open_folder(weights)};
}

/// "org/model" as it was asked for, else the last part of the folder's path.
std::string source_name(const std::string& model, const fs::path& folder) {
  std::error_code error;
  return fs::is_directory(model, error) ? fs::canonical(folder).filename().string() : model;
}

std::set<fs::path> files_written_here(const Source& source) {
  std::set<fs::path> files = {kProvenanceFile};
  for (const fs::path& file : source.archive.files()) files.insert(file.lexically_relative(source.folder));
  if (is_sharded(source.archive)) files.insert(source.transformer / kShardIndex);
  return files;
}

Provenance provenance_of(const std::string& model, const Source& source, const Temperature& temperature,
                         const BakeOptions& options) {
  Provenance provenance;
  provenance.baked.temperature = temperature.to_string();
  provenance.baked.temper_position_bias = options.temper_position_bias;
  provenance.baked.source_name = source_name(model, source.folder);
  provenance.baked.source_weights_sha256 = sha256_of_files(source.archive.files());
  provenance.baked.treble_version = version();
  provenance.dtype = options.dtype == BakedDType::keep ? "keep" : "float32";
  return provenance;
}

/// Everything but the decision: writes the whole folder `to` and completes the provenance.
void write_model(const Source& source, const std::vector<TensorChange>& changes, const fs::path& to,
                 const BakeOptions& options, Provenance& provenance) {
  std::int64_t files_done = 0;
  const auto before_file = [&] {
    if (options.progress) options.progress({"writing", files_done++, 0});
    check_stop(options.stop, "baking");
  };
  BakeReport& report = provenance.report;
  report.left_out = carry_over({.from = source.folder,
                                .to = to,
                                .transformer = source.transformer,
                                .written_elsewhere = files_written_here(source),
                                .before_file = before_file});
  Rounding rounding;
  const auto files = write_weights({.from = source.weights_folder(),
                                    .to = source.transformer.empty() ? to : to / source.transformer,
                                    .archive = source.archive,
                                    .changes = changes,
                                    .dtype = options.dtype,
                                    .temperature = provenance.baked.temperature,
                                    .before_file = before_file},
                                   rounding);
  for (const TensorChange& change : changes) report.changed.push_back(change.name);
  report.exact = provenance.baked.exact = rounding.exact;
  report.max_rounding_error = provenance.baked.max_rounding_error = rounding.max_relative_error;
  provenance.weights_sha256 = sha256_of_files(files);
  before_file();
  write_provenance(source.folder, to, provenance);
}

}  // namespace

BakeReport bake(const std::string& model, const fs::path& output, const Temperature& temperature,
                const BakeOptions& options) {
  try {
    const Source source = open_source(model);
    const ModelLayout layout = read_layout(source.weights_folder(), source.archive);
    if (layout.config.state_space.enabled) {
      fail_about(source.folder, ErrorCode::unsupported,
                 "{}: a {} model has no attention, so there is no temperature to put into its weights; the control of "
                 "its state (EncodeOptions::state) is applied when texts are encoded",
                 source.folder.string(), layout.config.model_type);
    }
    const LogitScales scales(temperature, layout.config);
    const auto changes = plan_bake(layout, source.archive, scales, options.temper_position_bias);
    OutputFolder folder(output, source.folder, options.force);
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
