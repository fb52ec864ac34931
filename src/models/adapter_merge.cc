#include "models/adapter_merge.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <optional>
#include <set>
#include <utility>

#include "adapters/module_matcher.h"
#include "adapters/peft_adapter.h"
#include "base/fail_about.h"
#include "models/known_names.h"
#include "safetensors/message_text.h"
#include "safetensors/tensor_revision.h"

namespace treble::internal {

namespace {

namespace fs = std::filesystem;

constexpr std::string_view kWeight = ".weight";

class Merger {
 public:
  Merger(PeftAdapter& adapter, const fs::path& folder, const AdapterBase& base, TensorArchive& archive)
      : adapter_(adapter), folder_(folder), base_(base), archive_(archive), matcher_(adapter.config) {}

  void merge();

 private:
  void check_family() const;
  std::optional<std::string> find_tensor(const std::string& path) const;
  bool is_unused(const std::string& path) const;
  void merge_products();
  void merge_replacements();
  void check_all_targets() const;
  std::string trained_path(const std::string& tensor) const;

  PeftAdapter& adapter_;
  const fs::path& folder_;
  const AdapterBase& base_;
  TensorArchive& archive_;
  ModuleMatcher matcher_;
  /// What stands before the encoder's names in the adapter's paths; known from the first module that was found.
  std::optional<std::string> trained_prefix_;
  std::set<std::string, std::less<>> merged_;  ///< names of tensors
};

/// The adapter may say the family of its base model: "bert" as in transformers.models.bert.
void Merger::check_family() const {
  const std::string& family = adapter_.config.base_family;
  std::string type = base_.model_type;
  std::replace(type.begin(), type.end(), '-', '_');
  // Text towers have their own type ("gemma3_text"); published code may sit in a family of another name.
  if (family.empty() || type.starts_with(family) || family.starts_with(type)) return;
  fail_file(adapter_.config.file, ErrorCode::invalid_file,
            "the adapter was made for a {:.40} model (auto_mapping), this one is {}; name the base model {:.100}",
            family, base_.model_type, adapter_.config.base_model);
}

/// The tensor of the weights that the adapter calls `path`: the encoder may have stood in another model than the one
/// the weights were saved from.
std::optional<std::string> Merger::find_tensor(const std::string& path) const {
  for (const std::string& prefix : base_.prefixes) {
    if (!path.starts_with(prefix)) continue;
    std::string name = base_.found.prefix + path.substr(prefix.size());
    if (archive_.find(name) != nullptr) return name;
  }
  if (archive_.find(path) != nullptr) return path;
  return std::nullopt;
}

/// A head or pooler, which no hidden state depends on.
bool Merger::is_unused(const std::string& path) const {
  return std::any_of(base_.prefixes.begin(), base_.prefixes.end(), [&](const std::string& prefix) {
    return path.starts_with(prefix) && is_harmless_tensor(base_.model_type, prefix, path);
  });
}

void Merger::merge_products() {
  for (auto& [module, products] : adapter_.products) {
    const std::string path = module + std::string(kWeight);
    const auto name = find_tensor(path);
    if (!name && is_unused(path)) continue;
    if (!name) {
      fail_file(folder_, ErrorCode::invalid_file,
                "the adapter changes module \"{}\", but the weights have no tensor \"{}\" under any of the prefixes "
                "\"{}\"; it was made for another model, or for one with other names",
                for_message(module), for_message(path), fmt::join(base_.prefixes, R"(", ")"));
    }
    const std::string own = name->starts_with(base_.found.prefix) ? name->substr(base_.found.prefix.size()) : *name;
    if (!trained_prefix_ && path.ends_with(own)) trained_prefix_ = path.substr(0, path.size() - own.size());
    archive_.add_product(*name, std::move(products.weight).value());
    merged_.insert(*name);
    if (!products.bias) continue;
    const auto bias = find_tensor(module + ".bias");
    if (!bias) {
      fail_file(folder_, ErrorCode::invalid_file,
                "the adapter adds to the bias of module \"{}\", which has none in the weights", for_message(module));
    }
    archive_.add_product(*bias, std::move(*products.bias));
  }
}

void Merger::merge_replacements() {
  for (auto& [path, factor] : adapter_.replacements) {
    auto name = find_tensor(path);
    // Old checkpoints call the tensors of a norm otherwise.
    constexpr std::array<std::array<std::string_view, 2>, 2> kOldNames = {{{".weight", ".gamma"}, {".bias", ".beta"}}};
    for (const auto& [now, before] : kOldNames) {
      if (name || !path.ends_with(now)) continue;
      name = find_tensor(path.substr(0, path.size() - now.size()) + std::string(before));
    }
    if (!name && !is_unused(path)) {
      fail_file(folder_, ErrorCode::invalid_file,
                "the adapter has its own tensor \"{}\", which the weights lack; it was made for another model",
                for_message(factor.name));
    }
    // A head that the base model does not have comes with the adapter.
    archive_.replace(name.value_or(path), std::move(factor));
  }
}

/// The module's tensor as the adapter would call it.
std::string Merger::trained_path(const std::string& tensor) const {
  const std::string own = tensor.substr(base_.found.prefix.size());
  return trained_prefix_.value_or("") + own.substr(0, own.size() - kWeight.size());
}

/// PEFT leaves a target without factors as it is, with a warning; the adapter is not complete then.
void Merger::check_all_targets() const {
  for (const auto& [name, tensor] : archive_.tensors()) {
    constexpr std::size_t kMatrix = 2;
    const bool weight = tensor.shape.size() == kMatrix && name.ends_with(kWeight);
    if (!weight || merged_.contains(name) || !name.starts_with(base_.found.prefix)) continue;
    if (is_harmless_tensor(base_.model_type, base_.found.prefix, name)) continue;
    const std::string path = trained_path(name);
    if (std::holds_alternative<std::string>(adapter_.config.target_modules) &&
        std::get<std::string>(adapter_.config.target_modules) == "all-linear") {
      continue;
    }
    if (!matcher_.is_target(path)) continue;
    fail_file(
        folder_, ErrorCode::invalid_file,
        "target_modules names \"{}\", but the adapter holds no factors of it; the adapter is not complete, or was "
        "made for another model",
        for_message(path));
  }
}

void Merger::merge() {
  check_family();
  merge_products();
  merge_replacements();
  check_all_targets();
  archive_.keep(std::move(adapter_.archive));
}

}  // namespace

void merge_peft_adapter(const fs::path& folder, const AdapterBase& base, TensorArchive& archive) {
  PeftAdapter adapter = read_peft_adapter(folder);
  Merger(adapter, folder, base, archive).merge();
}

std::vector<std::string> tasks_in_weights(const JsonObject& config) {
  const nlohmann::json* value = config.find("lora_adaptations");
  std::vector<std::string> tasks;
  if (value == nullptr) return tasks;
  const bool fits =
      value->is_array() && std::all_of(value->begin(), value->end(), [](const auto& one) { return one.is_string(); });
  if (!fits) fail_at(config, ErrorCode::invalid_file, "\"lora_adaptations\" must be a list of strings");
  for (const auto& one : *value) tasks.push_back(one.template get<std::string>());
  return tasks;
}

namespace {

constexpr std::string_view kParametrized = ".parametrizations.weight.";

/// One task's part of a tensor [tasks, …].
Factor slice(const TensorArchive& archive, const std::string& name, std::size_t task, std::size_t tasks) {
  const StoredTensor* stored = archive.find(name);
  if (stored == nullptr) fail(ErrorCode::invalid_file, "the weights lack the tensor {}", for_message(name));
  constexpr std::size_t kDimensions = 3;
  if (stored->shape.size() != kDimensions || std::cmp_not_equal(stored->shape.front(), tasks)) {
    fail_file(stored->file, ErrorCode::invalid_file,
              "tensor {} is [{}]; the factors of {} tasks have three dimensions, the first of them the tasks",
              for_message(name), fmt::join(stored->shape, ", "), tasks);
  }
  Factor factor{*stored, name};
  factor.tensor.shape.erase(factor.tensor.shape.begin());
  const std::size_t bytes = stored->bytes.size() / tasks;
  factor.tensor.bytes = stored->bytes.subspan(task * bytes, bytes);
  return factor;
}

/// A Linear's product is lora_B · lora_A, an embedding's lora_A · lora_B: told apart by which of them has the rows.
LowRankProduct task_product(const TensorArchive& archive, const std::string& stem, std::size_t task,
                            std::size_t tasks) {
  const std::string before = stem + std::string(kParametrized);
  Factor a = slice(archive, before + "0.lora_A", task, tasks);
  Factor b = slice(archive, before + "0.lora_B", task, tasks);
  const StoredTensor* original = archive.find(before + "original");
  const bool embedding = original != nullptr && original->shape.size() == 2 && a.rows() == original->shape[0] &&
                         b.cols() == original->shape[1];
  LowRankProduct product;
  product.left = std::move(embedding ? a : b);
  product.right = std::move(embedding ? b : a);
  return product;
}

float task_scale(const JsonObject& config) {
  const auto rank = config.required_integer("lora_rank");
  const auto alpha = config.number("lora_alpha");
  if (rank < 1 || !alpha) {
    fail_at(config, ErrorCode::invalid_file,
            R"("lora_rank" is {} and "lora_alpha" {}; both must be numbers, the rank )"
            "at least 1",
            rank, alpha ? fmt::format("{}", *alpha) : "missing");
  }
  return static_cast<float>(*alpha / static_cast<double>(rank));
}

/// The stems of all tensors that have factors of tasks.
std::vector<std::string> parametrized_stems(const TensorArchive& archive) {
  const std::string ending = std::string(kParametrized) + "original";
  std::vector<std::string> stems;
  for (const auto& [name, tensor] : archive.tensors()) {
    if (name.ends_with(ending)) stems.push_back(name.substr(0, name.size() - ending.size()));
  }
  return stems;
}

}  // namespace

void merge_task(const JsonObject& config, const std::string& task, TensorArchive& archive) {
  const auto tasks = tasks_in_weights(config);
  const auto stems = parametrized_stems(archive);
  const auto chosen = std::find(tasks.begin(), tasks.end(), task);
  if (!task.empty() && chosen == tasks.end()) {
    fail_at(config, ErrorCode::invalid_argument, "the weights have no adapter for the task \"{:.60}\"; there are {}",
            task, fmt::join(tasks, ", "));
  }
  if (!task.empty() && stems.empty()) {
    fail_at(config, ErrorCode::invalid_file, "\"lora_adaptations\" names {}, but the weights hold no factors of them",
            fmt::join(tasks, ", "));
  }
  for (const std::string& stem : stems) {
    std::optional<LowRankProduct> product;
    if (!task.empty()) {
      product = task_product(archive, stem, static_cast<std::size_t>(chosen - tasks.begin()), tasks.size());
      product->scale = task_scale(config);
    }
    const std::string before = stem + std::string(kParametrized);
    archive.rename(before + "original", stem + std::string(kWeight));
    if (product) archive.add_product(stem + std::string(kWeight), std::move(*product));
    archive.erase(before + "0.lora_A");
    archive.erase(before + "0.lora_B");
  }
}

}  // namespace treble::internal
