#include "resume.h"

#include <array>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "fail.h"
#include "output/jsonl_writer.h"
#include "output/npy_writer.h"

namespace treble::cli {

namespace {

/// Everything that vectors depend on. Not the model's path, nor the inputs' names: hashes speak for both.
constexpr std::array<const char*, 19> kFields = {"/treble",
                                                 "/model/weights_sha256",
                                                 "/temperature",
                                                 "/temper_position_bias",
                                                 "/tempered_layers",
                                                 "/pooling",
                                                 "/normalized",
                                                 "/dtype",
                                                 "/compute_dtype",
                                                 "/dim",
                                                 "/dimensions",
                                                 "/max_length",
                                                 "/truncation",
                                                 "/prompt",
                                                 "/position_extension",
                                                 "/special_tokens_as_text",
                                                 "/model/type",
                                                 "/post/transform",
                                                 "/post/sha256"};

std::string shown(const Json& metadata, const Json::json_pointer& field) {
  return metadata.contains(field) ? metadata.at(field).dump() : "missing";
}

Json read_sidecar(const std::string& path) {
  const std::string sidecar = sidecar_path(path);
  const std::ifstream file(sidecar, std::ios::binary);
  if (!file) {
    fail(ErrorCode::not_found, "cannot resume {}: {}, which says how it was made, is missing; start again with --force",
         path, sidecar);
  }
  std::ostringstream text;
  text << file.rdbuf();
  Json json = Json::parse(text.str(), nullptr, false);
  if (!json.is_object()) {
    fail(ErrorCode::invalid_file, "cannot resume {}: {} is not valid JSON; start again with --force", path, sidecar);
  }
  return json;
}

}  // namespace

OutputKind output_kind(const std::string& path) {
  if (path.empty() || path == "-") return OutputKind::stream;
  const auto extension = std::filesystem::path(path).extension();
  if (extension == ".npy") return OutputKind::npy;
  if (extension == ".jsonl" || extension == ".ndjson") return OutputKind::jsonl;
  fail(ErrorCode::invalid_argument, "{}: an output ends in .npy (numpy) or .jsonl; - is stdout, as JSONL", path);
}

SavedRun read_saved_run(const std::string& path, OutputKind kind) {
  const bool npy = kind == OutputKind::npy;
  Json metadata = npy ? read_sidecar(path) : read_jsonl_header(path);
  const SavedState state = read_state(metadata, npy ? sidecar_path(path) : path);
  return {without_state(std::move(metadata)), state};
}

void check_same_run(const Json& saved, const Json& now, const std::string& path) {
  for (const char* name : kFields) {
    const Json::json_pointer field(name);
    const std::string before = shown(saved, field);
    const std::string wanted = shown(now, field);
    if (before == wanted) continue;
    fail(ErrorCode::invalid_argument,
         "cannot resume {}: it was made with {} = {}, and this run has {}; use the same options, or start again with "
         "--force",
         path, std::string(name).substr(1), before, wanted);
  }
}

void check_not_there(const std::string& path, OutputKind kind) {
  std::error_code ignored;
  for (const std::string& name : {path, kind == OutputKind::npy ? sidecar_path(path) : path}) {
    if (!std::filesystem::exists(std::filesystem::symlink_status(name, ignored))) continue;
    fail(ErrorCode::invalid_argument, "{} exists; --resume goes on with it, --force replaces it", name);
  }
}

}  // namespace treble::cli
