#include "adapters/peft_adapter.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "adapters/module_matcher.h"
#include "base/fail_about.h"
#include "base/file_presence.h"
#include "safetensors/message_text.h"

namespace treble::internal {

namespace {

namespace fs = std::filesystem;

enum class Part { left, right, embedding_left, embedding_right, bias };

struct Ending {
  std::string_view text;
  Part part;
};

/// B · A is added to a Linear's weight; (B · A)ᵀ = Aᵀ · Bᵀ to an embedding's.
constexpr auto kEndings = std::to_array<Ending>({{".lora_A.weight", Part::right},
                                                 {".lora_B.weight", Part::left},
                                                 {".lora_B.bias", Part::bias},
                                                 {".lora_embedding_A", Part::embedding_left},
                                                 {".lora_embedding_B", Part::embedding_right}});

struct ModuleFactors {
  std::optional<Factor> left;
  std::optional<Factor> right;
  std::optional<Factor> bias;
};

class Reader {
 public:
  Reader(PeftAdapter& adapter, const fs::path& file) : adapter_(adapter), file_(file), matcher_(adapter.config) {}

  void read();

 private:
  void take(const std::string& name, const StoredTensor& tensor);
  void take_whole(const std::string& path, Factor tensor);
  void finish(const std::string& module, ModuleFactors& factors);
  void check_rank(const Factor& factor, std::int64_t found, std::int64_t rank) const;
  bool is_allowed_bias(const std::string& module) const;

  PeftAdapter& adapter_;
  const fs::path& file_;
  ModuleMatcher matcher_;
  std::map<std::string, ModuleFactors> factors_;
};

/// Names are as in get_peft_model_state_dict; what transformers saves may lack the prefix.
std::string without_wrapper(const std::string& name) {
  constexpr std::string_view kWrapper = "base_model.model.";
  return name.starts_with(kWrapper) ? name.substr(kWrapper.size()) : name;
}

void Reader::take(const std::string& name, const StoredTensor& tensor) {
  const std::string path = without_wrapper(name);
  Factor factor{tensor, name};
  for (const Ending& ending : kEndings) {
    if (!path.ends_with(ending.text)) continue;
    ModuleFactors& module = factors_[path.substr(0, path.size() - ending.text.size())];
    factor.transposed = ending.part == Part::embedding_left || ending.part == Part::embedding_right;
    std::optional<Factor>& place = ending.part == Part::bias                                          ? module.bias
                                   : ending.part == Part::left || ending.part == Part::embedding_left ? module.left
                                                                                                      : module.right;
    if (place) fail_file(file_, ErrorCode::invalid_file, "\"{}\" is there twice", for_message(name));
    place = std::move(factor);
    return;
  }
  if (path.find(".lora_") != std::string::npos) {
    fail_file(file_, ErrorCode::unsupported,
              "tensor \"{}\" belongs to another method than plain LoRA (DoRA, …); let PEFT merge the adapter: "
              "PeftModel.from_pretrained(…).merge_and_unload().save_pretrained(…)",
              for_message(name));
  }
  take_whole(path, std::move(factor));
}

/// A bias, or a tensor of modules_to_save or of embeddings, stored whole.
void Reader::take_whole(const std::string& path, Factor tensor) {
  constexpr std::string_view kWrapped = ".base_layer.";
  std::string plain = path;
  if (const auto at = plain.find(kWrapped); at != std::string::npos) plain.replace(at, kWrapped.size(), ".");
  adapter_.replacements.emplace(plain, std::move(tensor));
}

void Reader::check_rank(const Factor& factor, std::int64_t found, std::int64_t rank) const {
  if (found == rank) return;
  fail_file(file_, ErrorCode::invalid_file, "tensor \"{}\" has rank {}, {} says {} for this module",
            for_message(factor.name), found, kPeftConfigFile, rank);
}

void Reader::finish(const std::string& module, ModuleFactors& factors) {
  if (!factors.left || !factors.right) {
    fail_file(file_, ErrorCode::invalid_file,
              "of module \"{}\" only one of the two factors is there; the file is not complete", for_message(module));
  }
  if (!matcher_.is_target(module)) {
    fail_file(file_, ErrorCode::invalid_file,
              "the adapter changes module \"{}\", which target_modules of {} does not name; the two files belong to "
              "different adapters",
              for_message(module), kPeftConfigFile);
  }
  const std::int64_t rank = matcher_.rank(module);
  check_rank(*factors.left, factors.left->cols(), rank);
  check_rank(*factors.right, factors.right->rows(), rank);
  const auto scale = static_cast<float>(matcher_.scale(module));
  ModuleProducts& products = adapter_.products[module];
  products.weight = LowRankProduct{std::move(*factors.left), std::move(factors.right), scale};
  if (factors.bias) products.bias = LowRankProduct{std::move(*factors.bias), std::nullopt, scale};
}

bool Reader::is_allowed_bias(const std::string& module) const {
  if (adapter_.config.biases == AdaptedBiases::all) return true;
  return adapter_.config.biases == AdaptedBiases::lora_only && adapter_.products.contains(module);
}

/// Embedding tables that PEFT stores beside their factors, or since they were resized.
bool is_embedding(std::string_view module) {
  constexpr std::array<std::string_view, 4> kNames = {"embed_tokens", "lm_head", "word_embeddings", "shared"};
  return std::any_of(kNames.begin(), kNames.end(), [&](std::string_view name) {
    return module == name || module.ends_with(fmt::format(".{}", name));
  });
}

void Reader::read() {
  for (const auto& [name, tensor] : adapter_.archive.tensors()) take(name, tensor);
  for (auto& [module, factors] : factors_) finish(module, factors);
  for (const auto& [path, factor] : adapter_.replacements) {
    const auto dot = path.rfind('.');
    const std::string module = path.substr(0, dot == std::string::npos ? path.size() : dot);
    if (matcher_.is_saved(module) || is_embedding(module)) continue;
    if (path.ends_with(".bias") && is_allowed_bias(module)) continue;
    fail_file(file_, ErrorCode::invalid_file,
              "tensor \"{}\" is neither a factor nor explained by bias or modules_to_save of {}",
              for_message(factor.name), kPeftConfigFile);
  }
  if (adapter_.products.empty() && adapter_.replacements.empty()) {
    fail_file(file_, ErrorCode::invalid_file, "the adapter holds no tensors");
  }
}

}  // namespace

PeftAdapter read_peft_adapter(const fs::path& folder) {
  const fs::path file = folder / kPeftWeightsFile;
  if (!is_there(folder / kPeftConfigFile)) {
    fail_file(folder, ErrorCode::not_found, "no {}; the folder of a PEFT adapter has one", kPeftConfigFile);
  }
  PeftConfig config = read_peft_config(folder);
  if (!is_there(file)) {
    const bool pickled = is_there(folder / "adapter_model.bin");
    fail_file(folder, ErrorCode::not_found, "no {}{}", kPeftWeightsFile,
              pickled ? fmt::format(", only adapter_model.bin (PyTorch's pickle format, which can run code when read); "
                                    "`treble convert {} --in-place` makes one of it and runs none",
                                    folder.string())
                      : std::string("; fetch the adapter again"));
  }
  PeftAdapter adapter{std::move(config), TensorArchive::open_file(file), {}, {}};
  Reader(adapter, file).read();
  return adapter;
}

}  // namespace treble::internal
