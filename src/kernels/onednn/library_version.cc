#include "kernels/onednn/library_version.h"

#include <fmt/format.h>

#include <oneapi/dnnl/dnnl.hpp>

namespace treble::internal::onednn {

std::string library_version() {
  const dnnl_version_t* version = dnnl_version();
  return fmt::format("{}.{}.{}", version->major, version->minor, version->patch);
}

}  // namespace treble::internal::onednn
