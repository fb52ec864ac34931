#include "safetensors/missing_weights.h"

#include <fmt/format.h>

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
  std::string_view way_out;  ///< {folder} and {file} stand for these
};

constexpr std::string_view kPickle = "PyTorch's pickle format, which can run code when read";
constexpr std::string_view kConvertPickle =
    "`treble convert {folder} --in-place` (or -o NEW-FOLDER) makes model.safetensors of it and runs none";
constexpr std::string_view kOriginal =
    "fetch model.safetensors, or pytorch_model.bin and `treble convert` it, of the model it was made from";

// The first that fits is named, so the most telling ones stand first, and those that need no other program.
constexpr std::array<OtherFormat, 16> kFormats = {{
    {"model-", ".safetensors", "shards without model.safetensors.index.json", "fetch the index too"},
    {"", ".safetensors", "safetensors under another name",
     "if that file is the whole model, name it model.safetensors"},
    {"pytorch_model", ".bin", kPickle, kConvertPickle},
    {"", ".pt", kPickle, kConvertPickle},
    {"", ".pth", kPickle, kConvertPickle},
    {"", ".ckpt", "a training checkpoint of PyTorch", kConvertPickle},
    {"pytorch_model", ".bin.index.json", "an index of PyTorch's pickles",
     "fetch the files that it names too, then `treble convert {folder} --in-place`"},
    {"", ".gguf", "the GGUF format of llama.cpp",
     "`treble convert {folder}/{file} -o NEW-FOLDER` makes a model's folder of it where it holds an embedder of BERT's "
     "form, Qwen 3 or EmbeddingGemma in F32, F16, BF16 or Q8_0; otherwise fetch model.safetensors of the model it was "
     "made from"},
    {"tf_model", ".h5", "TensorFlow's format",
     "fetch pytorch_model.bin and `treble convert` it, or convert this with transformers 4: "
     "AutoModel.from_pretrained(…, from_tf=True).save_pretrained(…)"},
    {"flax_model", ".msgpack", "Flax's format",
     "fetch pytorch_model.bin and `treble convert` it, or convert this with transformers 4: "
     "AutoModel.from_pretrained(…, from_flax=True).save_pretrained(…)"},
    {"rust_model", ".ot", "rust-bert's format", kOriginal},
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

/// "a, b and 3 more".
std::string list_of(const std::vector<std::string>& names) {
  constexpr std::size_t kShown = 4;
  const std::size_t shown = std::min(names.size(), kShown);
  std::string list;
  for (std::size_t i = 0; i < shown; ++i) {
    list += fmt::format("{}{}", i == 0 ? "" : ", ", for_message(names[i]));
  }
  return names.size() > shown ? fmt::format("{} and {} more", list, names.size() - shown) : list;
}

std::string way_out(const OtherFormat& format, const fs::path& folder, const std::string& file) {
  return fmt::format(fmt::runtime(format.way_out), fmt::arg("folder", folder.string()),
                     fmt::arg("file", for_message(file)));
}

}  // namespace

void fail_without_weights(const fs::path& folder) {
  const auto names = file_names(folder);
  std::vector<std::string> found;
  const OtherFormat* first = nullptr;
  for (const OtherFormat& format : kFormats) {
    for (const std::string& name : names) {
      if (!fits(format, name) || std::find(found.begin(), found.end(), name) != found.end()) continue;
      if (first == nullptr) first = &format;
      found.push_back(name);
    }
  }
  if (first == nullptr) {
    fail_file(folder, ErrorCode::not_found, "neither model.safetensors nor model.safetensors.index.json is there");
  }
  fail_file(folder, ErrorCode::not_found, "no model.safetensors, only {}. {}: {}; {}", list_of(found),
            for_message(found.front()), first->kind, way_out(*first, folder, found.front()));
}

}  // namespace treble::internal
