#include "pooling/module_weights.h"

#include <fmt/ranges.h>

#include "base/fail_about.h"

namespace treble::internal {

std::vector<float> ModuleWeights::take(const std::string& name, const std::vector<std::int64_t>& shape) {
  const std::string file = archive_.files().front().string();
  const StoredTensor* tensor = archive_.find(name);
  if (tensor == nullptr) fail_file(file, ErrorCode::invalid_file, "tensor \"{}\" is missing", name);
  if (tensor->shape != shape) {
    fail_file(file, ErrorCode::invalid_file, "tensor \"{}\" has the shape [{}], the module's config.json needs [{}]",
              name, fmt::join(tensor->shape, ", "), fmt::join(shape, ", "));
  }
  std::vector<float> values(static_cast<std::size_t>(tensor->num_elements()));
  copy_as_float(*tensor, name, values);
  taken_.insert(name);
  return values;
}

void ModuleWeights::check_all_taken() const {
  for (const auto& [name, tensor] : archive_.tensors()) {
    if (!taken_.contains(name)) {
      fail_file(tensor.file, ErrorCode::invalid_file,
                "tensor \"{}\" does not belong to the module its config.json describes", name);
    }
  }
}

}  // namespace treble::internal
