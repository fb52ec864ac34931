#include <fmt/format.h>

#include "kernels/compute_isa.h"
#include "kernels/onednn/library_version.h"
#include "kernels/simd/library_version.h"
#include "tokenizer/crate_version.h"
#include "treble/version.h"

namespace treble {

using namespace internal;

const char* git_commit() noexcept { return TREBLE_COMMIT; }

std::string cpu_path() {
  return fmt::format("{} (products with weights), {} (attention, norms, activations)", compute_isa(),
                     simd::target_name());
}

std::vector<std::pair<std::string, std::string>> library_versions() {
  return {{"oneDNN", onednn::library_version()},
          {"Highway", simd::library_version()},
          {"tokenizers", tokenizers_crate_version()}};
}

}  // namespace treble
