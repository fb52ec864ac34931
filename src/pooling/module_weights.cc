#include "pooling/module_weights.h"

#include <fmt/ranges.h>

#include "base/fail.h"

namespace treble::internal {

std::vector<float> ModuleWeights::take(const std::string& name, const std::vector<std::int64_t>& shape) {
  const std::string file = archive_.files().front().string();
  const StoredTensor* tensor = archive_.find(name);
  if (tensor == nullptr) fail(ErrorCode::invalid_file, "{}: tensor \"{}\" is missing", file, name);
  if (tensor->shape != shape) {
    fail(ErrorCode::invalid_file, "{}: tensor \"{}\" has the shape [{}], the module's config.json needs [{}]", file,
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
      fail(ErrorCode::invalid_file, "{}: tensor \"{}\" does not belong to the module its config.json describes",
           tensor.file, name);
    }
  }
}

}  // namespace treble::internal
