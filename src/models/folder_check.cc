#include "models/folder_check.h"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <system_error>

#include "base/fail_about.h"
#include "base/file_presence.h"
#include "base/json_file.h"
#include "base/json_text.h"
#include "safetensors/missing_weights.h"

namespace treble::internal {

namespace fs = std::filesystem;

namespace {

using Json = nlohmann::json;

std::string method_of(const Json& quantization) {
  if (!quantization.is_object()) return "an unknown method";
  if (const auto method = quantization.find("quant_method"); method != quantization.end() && method->is_string()) {
    return method->get<std::string>();
  }
  for (const char* key : {"load_in_4bit", "load_in_8bit"}) {
    if (quantization.contains(key)) return "bitsandbytes";
  }
  return quantization.contains("group_size") ? "MLX" : "an unknown method";
}

/// "4 bits", where the quantisation says so.
std::string bits_of(const Json& quantization) {
  if (!quantization.is_object()) return "";
  const auto bits = quantization.find("bits");
  return bits != quantization.end() && bits->is_number() ? ", " + json_text(*bits) + " bits" : "";
}

void refuse_stated_quantization(const Json& config, const std::string& origin) {
  for (const char* key : {"quantization_config", "quantization", "compression_config"}) {
    const auto found = config.find(key);
    if (found == config.end() || found->is_null()) continue;
    fail(ErrorCode::unsupported,
         "{}: \"{}\" says that the weights are quantised ({:.40}{:.20}); Treble reads F32, F16 and BF16 weights: use "
         "the "
         "model it was made from, and ModelOptions::dtype int8 for speed",
         origin, key, method_of(*found), bits_of(*found));
  }
}

void check_config(const fs::path& folder) {
  const fs::path path = folder / "config.json";
  if (!is_there(path)) {
    if (!TensorArchive::is_in(folder)) fail_without_weights(folder);
    fail_file(path, ErrorCode::not_found,
              "not there; without it nothing says what the weights are: fetch the model again");
  }
  const auto json = JsonObject::from_file(path);
  about_file(path, [&] { refuse_stated_quantization(json.value(), json.origin()); });
}

void check_tokenizer(const fs::path& folder) {
  // The tokenizer can be read from these; where its class reads another one, it says so itself.
  constexpr std::array kRead = {"tokenizer.json", "vocab.txt", "vocab.json", "spiece.model", "sentencepiece.bpe.model"};
  if (std::any_of(kRead.begin(), kRead.end(), [&](const char* name) { return is_there(folder / name); })) return;
  constexpr std::array kOthers = {"tokenizer.model",     "spm.model",  "bpe.codes",
                                  "sentencepiece.model", "merges.txt", "tokenizer_config.json"};
  const auto other =
      std::find_if(kOthers.begin(), kOthers.end(), [&](const char* name) { return is_there(folder / name); });
  if (other == kOthers.end()) {
    fail_file(folder / "tokenizer.json", ErrorCode::not_found,
              "not there, nor any other tokenizer file: fetch the model again");
  }
  fail_file(folder / "tokenizer.json", ErrorCode::not_found,
            "not there, only {0}; make it once with Python: "
            "transformers.AutoTokenizer.from_pretrained(\"{1}\").save_pretrained(\"{1}\")",
            *other, folder.string());
}

bool has_unfinished_downloads(const fs::path& folder) {
  // snapshots/<commit> has its files in ../../blobs; a download to a folder of one's own keeps them inside.
  const std::array places = {folder / ".." / ".." / "blobs", folder / ".cache" / "huggingface" / "download"};
  for (const fs::path& place : places) {
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(place, error)) {
      if (entry.path().extension() == ".incomplete") return true;
    }
  }
  return false;
}

}  // namespace

void check_model_folder(const ModelParts& parts) {
  try {
    if (!parts.is_static) check_config(parts.weights);
    if (!TensorArchive::is_in(parts.weights)) fail_without_weights(parts.weights);
    check_tokenizer(parts.transformer);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::not_found || !has_unfinished_downloads(parts.folder)) throw;
    fail_about(error.file(), error.code(),
               "{} (a download of this model was not finished: there are .incomplete files)", error.what());
  }
}

void refuse_quantized(const TensorArchive& archive) {
  struct Mark {
    std::string_view suffix;
    std::string_view method;
  };
  constexpr std::array<Mark, 9> kMarks = {{{".qweight", "GPTQ or AWQ"},
                                           {".qzeros", "GPTQ or AWQ"},
                                           {".absmax", "bitsandbytes, 4 bits"},
                                           {".quant_map", "bitsandbytes, 4 bits"},
                                           {".SCB", "bitsandbytes, 8 bits"},
                                           {".weight_packed", "compressed-tensors"},
                                           {".weight_scale", "compressed-tensors or FP8"},
                                           {".weight_scale_inv", "FP8"},
                                           {".scales", "MLX, or another in groups"}}};
  for (const auto& [name, tensor] : archive.tensors()) {
    const auto mark = std::find_if(kMarks.begin(), kMarks.end(),
                                   [&key = name](const Mark& one) { return key.ends_with(one.suffix); });
    if (mark == kMarks.end()) continue;
    fail_file(
        tensor.file, ErrorCode::unsupported,
        "tensor \"{}\" belongs to quantised weights ({}); Treble reads F32, F16 and BF16 weights: use the model it "
        "was made from, and ModelOptions::dtype int8 for speed",
        name, mark->method);
  }
}

}  // namespace treble::internal
