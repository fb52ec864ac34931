#include "bake/carry_over.h"

#include <algorithm>
#include <array>

#include "bake/file_ops.h"
#include "base/fail_about.h"

namespace treble::internal {

namespace {

namespace fs = std::filesystem;

/// Deeper than any model's folder; links that lead in a circle end here.
constexpr int kDeepest = 16;

/// Of the same model as the weights beside config.json, in the names that transformers gives them. The Dense modules'
/// pytorch_model.bin are in folders of their own and stay.
bool is_transformer_weights(const std::string& name) {
  constexpr std::array kPrefixes = {"pytorch_model", "model", "tf_model", "flax_model", "rust_model"};
  constexpr std::array kSuffixes = {".bin", ".bin.index.json", ".safetensors", ".safetensors.index.json",
                                    ".h5",  ".msgpack",        ".ot"};
  return std::any_of(kPrefixes.begin(), kPrefixes.end(),
                     [&](const char* prefix) { return name.starts_with(prefix); }) &&
         std::any_of(kSuffixes.begin(), kSuffixes.end(), [&](const char* suffix) { return name.ends_with(suffix); });
}

/// In a format that holds a whole model, wherever it lies.
bool is_exported_model(const std::string& name) {
  return name.ends_with(".onnx") || name.ends_with(".onnx_data") || name.ends_with(".onnx.data") ||
         name.ends_with(".gguf") || name.starts_with("openvino_model");
}

bool is_left_out(const CarryOver& plan, const fs::path& relative) {
  const std::string name = relative.filename().string();
  return is_exported_model(name) || (relative.parent_path() == plan.transformer && is_transformer_weights(name));
}

void carry_folder(const CarryOver& plan, const fs::path& relative, int depth, std::vector<std::string>& left_out) {
  if (depth > kDeepest) {
    fail_file(plan.from / relative, ErrorCode::io, "folders are nested more than {} deep; does a link lead back?",
              kDeepest);
  }
  std::vector<fs::directory_entry> entries;
  for (const auto& entry : fs::directory_iterator(plan.from / relative)) entries.push_back(entry);
  std::sort(entries.begin(), entries.end());
  for (const auto& entry : entries) {
    const fs::path name = relative / entry.path().filename();
    if (plan.written_elsewhere.contains(name)) continue;
    if (name == ".git" || is_left_out(plan, name)) {
      left_out.push_back(name.string());
    } else if (entry.is_directory()) {
      fs::create_directory(plan.to / name);
      carry_folder(plan, name, depth + 1, left_out);
    } else if (entry.is_regular_file()) {
      plan.before_file();
      carry_file(entry.path(), plan.to / name);
    } else {
      fail_file(entry.path(), ErrorCode::io,
                "is neither a file nor a folder (a link to nowhere?), so it cannot be carried over");
    }
  }
}

}  // namespace

std::vector<std::string> carry_over(const CarryOver& plan) {
  std::vector<std::string> left_out;
  carry_folder(plan, {}, 0, left_out);
  return left_out;
}

}  // namespace treble::internal
