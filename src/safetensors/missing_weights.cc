#include "safetensors/missing_weights.h"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "base/fail_about.h"
#include "safetensors/message_text.h"

namespace treble::internal {

namespace fs = std::filesystem;

namespace {

/// A way of storing weights that is not read, known by its files' names.
struct OtherFormat {
  std::string_view prefix;
  std::string_view suffix;
  std::string_view kind;
  std::string_view way_out;
};

constexpr std::string_view kSaveWithPython =
    "which can run code when read; convert it once with Python: load the model with transformers and save it with "
    "save_pretrained(…)";
constexpr std::string_view kOriginal = "fetch model.safetensors of the model it was made from";

// The first that fits is named, so the most telling ones stand first.
constexpr std::array<OtherFormat, 16> kFormats = {{
    {"model-", ".safetensors", "shards without model.safetensors.index.json", "fetch the index too"},
    {"", ".safetensors", "safetensors under another name",
     "if that file is the whole model, name it model.safetensors"},
    {"pytorch_model", ".bin", "PyTorch's pickle format", kSaveWithPython},
    {"pytorch_model", ".bin.index.json", "PyTorch's pickle format", kSaveWithPython},
    {"", ".pt", "PyTorch's pickle format", kSaveWithPython},
    {"", ".pth", "PyTorch's pickle format", kSaveWithPython},
    {"", ".ckpt", "a training checkpoint", kSaveWithPython},
    {"tf_model", ".h5", "TensorFlow's format",
     "convert it once with transformers 4: AutoModel.from_pretrained(…, from_tf=True).save_pretrained(…)"},
    {"flax_model", ".msgpack", "Flax's format",
     "convert it once with transformers 4: AutoModel.from_pretrained(…, from_flax=True).save_pretrained(…)"},
    {"rust_model", ".ot", "rust-bert's format", kOriginal},
    {"", ".gguf", "the GGUF format of llama.cpp", kOriginal},
    {"", ".onnx", "an ONNX export", kOriginal},
    {"openvino_model", ".xml", "an OpenVINO export", kOriginal},
    {"", ".mlpackage", "a Core ML export", kOriginal},
    {"", ".npz", "the format of NumPy and MLX", kOriginal},
    {"", ".tflite", "a TensorFlow Lite export", kOriginal},
}};

/// Of the folder, and of the subfolders that exports are put into; relative, sorted.
std::vector<std::string> file_names(const fs::path& folder) {
  std::vector<std::string> names;
  for (const char* sub : {"", "onnx", "openvino", "coreml"}) {
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(folder / sub, error)) {
      names.push_back((fs::path(sub) / entry.path().filename()).string());
    }
  }
  std::sort(names.begin(), names.end());
  return names;
}

bool fits(const OtherFormat& format, const std::string& path) {
  const std::string name = fs::path(path).filename().string();
  return name.starts_with(format.prefix) && name.ends_with(format.suffix);
}

}  // namespace

void fail_without_weights(const fs::path& folder) {
  const auto names = file_names(folder);
  for (const OtherFormat& format : kFormats) {
    const auto found = std::find_if(names.begin(), names.end(), [&](const auto& name) { return fits(format, name); });
    if (found == names.end()) continue;
    fail_file(folder, ErrorCode::not_found, "no model.safetensors, only {} ({}); {}", for_message(*found), format.kind,
              format.way_out);
  }
  fail_file(folder, ErrorCode::not_found, "neither model.safetensors nor model.safetensors.index.json is there");
}

}  // namespace treble::internal
